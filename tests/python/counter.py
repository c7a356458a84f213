"""Reads the counter burnt into test pictures: 32 cells in the top tenth, white is 1; 24 bits of value, 8 of check."""

CELLS = 32


def read(luma, stride, width, height):
    """The value, or None where the check says that the picture was not read well. `luma`: bytes, one per pixel."""
    row = (height // 20) * stride
    bits = 0
    for cell in range(CELLS):
        x = int((cell + 0.5) * width / CELLS)
        bits = bits << 1 | (luma[row + x] > 128)
    value, check = bits >> 8, bits & 0xFF
    expected = ((value >> 16) + (value >> 8 & 0xFF) + (value & 0xFF) + 0x5A) & 0xFF
    return value if check == expected else None

/** The attribute `endpoints`: addresses of nodes, apart by commas or blanks. Without it the server is asked. */
export function parseEndpoints(value: string | null): readonly string[] | null {
  return value === null ? null : value.split(/[\s,]+/).filter((address) => address !== '');
}

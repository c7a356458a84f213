/** Sends a pane's media over the demo's slow link: of the server's candidates only those by TCP stay, at the link's port. */

export function overSlowLink(port: number): void {
  const { prototype } = RTCPeerConnection;
  const take = prototype.setRemoteDescription as (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;
  prototype.setRemoteDescription = function (this: RTCPeerConnection, description: RTCSessionDescriptionInit) {
    return take.call(this, { type: description.type, sdp: slowed(description.sdp ?? '', port) });
  } as typeof prototype.setRemoteDescription;
}

/** `a=candidate:<foundation> <component> tcp <priority> <address> <port> ... tcptype passive` */
export function slowed(sdp: string, port: number): string {
  const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ \d+ udp /i.test(line));
  return lines.map((line) => line.replace(/^(a=candidate:\S+ \d+ tcp \d+ \S+) \d+ /i, `$1 ${port} `)).join('\r\n');
}

// What answers where a CProxy server should, told by its first bytes: a wrong address is the user's commonest mistake.
// It knows no connection.
import { CTL_TYPE_CODE, FRAME_HEADER_BYTES } from "../../protocol/wire.ts";

/** Bytes that are looked at. */
const LOOKED_AT = 16;
// the types of TLS records that come first, and the first byte of their version (RFC 8446, section 5.1)
const TLS_ALERT = 21;
const TLS_HANDSHAKE = 22;
const TLS_MAJOR = 3;

/** What answers with these bytes; null for a CProxy server, which may be of another version. */
function kindOf(received: Uint8Array): string | null {
  const [first, second] = received;
  const text = String.fromCharCode(...received.subarray(0, LOOKED_AT));
  const type = received[FRAME_HEADER_BYTES - 1];
  const isFrame = first === 0 && second === 0 && Object.values<number>(CTL_TYPE_CODE).includes(type);
  if (isFrame) return null;
  if (text.startsWith("SSH-")) return "an SSH server";
  // what a web server thinks of a request that it cannot read
  if (text.startsWith("HTTP/") || text.startsWith("<")) return "a web server";
  if ((first === TLS_ALERT || first === TLS_HANDSHAKE) && second === TLS_MAJOR) return "a TLS server";
  if (text.startsWith("220")) return "a mail or FTP server";
  return "something else";
}

/**
 * Why a login failed at a peer that sent no message of a CProxy server, for people.
 *
 * @param server The address, as the user wrote it.
 * @param received What the peer sent; may be nothing.
 * @param reason How the connection ended.
 */
export function strangeServer(server: string, received: Uint8Array, reason: string): string {
  if (received.length === 0) return `${server} gives no answer (${reason}); is it the ctl_port of a CProxy server?`;
  const kind = kindOf(received);
  return kind === null ? reason : `${server} is no ctl_port of a CProxy server: ${kind} answers`;
}

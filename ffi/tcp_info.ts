// What the kernel knows of a TCP connection (TCP_INFO, tcp(7)): whether what was sent has been answered.
import type { Descriptor } from "./descriptor.ts";
import { libc } from "./libc.ts";

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
// places in struct tcp_info (linux/tcp.h), which only grows at its end; the kernel stores as much as is asked for
const RETRANSMITS_BYTE = 2;
const PROBES_BYTE = 3;
const SND_MSS = 16 / 4;
const UNACKED = 24 / 4;
const TOTAL_RETRANS = 100 / 4;
const BYTES_ACKED = 120 / 4;
const SEGS_IN = 140 / 4;
const ASKED_BYTES = 144;

/** One look at a connection after the other. Used in one thread. */
export class TcpInfo {
  readonly #words = new Int32Array(ASKED_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #length = new Int32Array(1);

  /**
   * Looks at a connection; all else here is about the last one that was looked at.
   *
   * @param fd A socket.
   * @returns Whether it is a TCP connection, and the kernel (Linux 4.2 up) tells all this.
   */
  read(fd: Descriptor): boolean {
    this.#length[0] = ASKED_BYTES;
    const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.#words, this.#length);
    return result === 0 && this.#length[0] === ASKED_BYTES;
  }

  /** Segments that were sent and are not acknowledged. A window of zero is not among them: then nothing is sent. */
  get unacknowledged(): number {
    return this.#words[UNACKED];
  }

  /** Questions whether a window of zero has opened, or whether the peer is there, without an answer so far; 0 to 255. */
  get probes(): number {
    return this.#bytes[PROBES_BYTE];
  }

  /** How often in a row the oldest unacknowledged segment was sent again into an open window; 0 to 255. */
  get repeats(): number {
    return this.#bytes[RETRANSMITS_BYTE];
  }

  /** Segments that were ever sent again, whatever the window, modulo 2^32. */
  get allRepeats(): number {
    return this.#words[TOTAL_RETRANS];
  }

  /** Segments that have come, with payload or without, modulo 2^32. */
  get segmentsIn(): number {
    return this.#words[SEGS_IN];
  }

  /** Bytes that the peer has acknowledged, modulo 2^32. */
  get bytesAcknowledged(): number {
    return this.#words[BYTES_ACKED];
  }

  /** Whether the peer has ever acknowledged as much as one full segment. */
  get hasTakenSegment(): boolean {
    return this.#words[BYTES_ACKED + 1] !== 0 || (this.#words[BYTES_ACKED] >>> 0) > this.#words[SND_MSS];
  }
}

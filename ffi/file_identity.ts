// Tells which file a descriptor is, by two numbers that never change: the device, and the inode on it.
import type { Descriptor } from "./descriptor.ts";
import { libc } from "./libc.ts";

const AT_EMPTY_PATH = 0x1000;
const STATX_INO = 0x100;
const HERE = new Uint8Array(1);
// struct statx (statx(2)), in bytes
const STATX_SIZE = 256;
const STX_INO = 32;
const STX_DEV_MAJOR = 136;
const STX_DEV_MINOR = 140;

/**
 * The device and inode of an open file, pipe or socket.
 *
 * @param fd Any descriptor.
 * @returns Both numbers as fstat(2) gives them, in decimal with a colon between; null when the descriptor is not open.
 */
export function fileIdentity(fd: Descriptor): string | null {
  const buffer = new Uint8Array(STATX_SIZE);
  if (libc.statx(fd, HERE, AT_EMPTY_PATH, STATX_INO, buffer) < 0) return null;
  const view = new DataView(buffer.buffer);
  // all supported processors are little-endian
  const major = BigInt(view.getUint32(STX_DEV_MAJOR, true));
  const minor = BigInt(view.getUint32(STX_DEV_MINOR, true));
  // makedev(3)
  const device = ((major & 0xfffff000n) << 32n) | ((major & 0xfffn) << 8n) |
    ((minor & 0xffffff00n) << 12n) | (minor & 0xffn);
  return `${device}:${view.getBigUint64(STX_INO, true)}`;
}

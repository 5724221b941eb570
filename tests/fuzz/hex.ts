// Bytes as text for a failure's report. It knows nothing of what they mean.

const SHOWN_BYTES = 512;

/** Hex digits; of many bytes the first ones. */
export function bytesToHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes.subarray(0, SHOWN_BYTES)) text += byte.toString(16).padStart(2, "0");
  return bytes.length > SHOWN_BYTES ? `${text}… (${bytes.length} bytes)` : text;
}

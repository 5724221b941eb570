// The version that both programs print. It knows nothing of who asks.

/** The version of both programs; equal to `version` in deno.json, which a test checks. */
export const VERSION = "0.1.0";

// The server's relay Worker with a clock that a test moves on: it is ahead of the real one by the first number of the
// memory in its start message. It knows nothing of relaying.

import "../../core/server/relay/relay_worker.ts";

const scope = self as unknown as { onmessage: (event: MessageEvent<{ readonly aheadMs: SharedArrayBuffer }>) => void };
const start = scope.onmessage;
const realNow = performance.now.bind(performance);

scope.onmessage = (event) => {
  const ahead = new Float64Array(event.data.aheadMs);
  performance.now = () => realNow() + ahead[0];
  start(event);
};

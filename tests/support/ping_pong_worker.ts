// The Worker that plays the other side of a game of ping-pong.

import { type Player, playPingPong } from "./ping_pong.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Player>) => void;
  postMessage(message: unknown): void;
  close(): void;
};

scope.onmessage = ({ data }) => {
  scope.postMessage(playPingPong(data));
  scope.close();
};

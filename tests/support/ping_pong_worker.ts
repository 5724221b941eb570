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

// It takes long to get here, above all with the check of the types: the game begins when both are there.
scope.postMessage("here");

// How many host names are looked up at a time, and that names which hang leave room for those that do not.

import { Lookups } from "../core/client/lookups.ts";
import { internetAddress, type SocketAddress } from "../ffi/socket_address.ts";
import { assertEquals } from "./support/assert.ts";

const ADDRESSES = [internetAddress("192.0.2.1", 0)!];

/** Look-ups with little room, and a resolver that a test answers name by name. */
class Scene {
  readonly asked = new Map<string, PromiseWithResolvers<readonly SocketAddress[]>>();
  readonly lookups: Lookups;

  constructor(promptMs = 60_000) {
    const lookUp = (host: string) => {
      const answer = Promise.withResolvers<readonly SocketAddress[]>();
      this.asked.set(host, answer);
      return answer.promise;
    };
    this.lookups = new Lookups(lookUp, { most: 3, mostDoubtful: 2, promptMs });
  }

  /** The names that the resolver is asked for now. */
  get running(): string[] {
    return [...this.asked.keys()];
  }

  async answer(host: string, asked: Promise<unknown>): Promise<void> {
    this.asked.get(host)!.resolve(ADDRESSES);
    this.asked.delete(host);
    await asked;
  }
}

Deno.test("names that nobody knows much of are looked up some at a time, in turn", async () => {
  const scene = new Scene();
  const { lookups, asked } = scene;
  const [one, , three] = ["one", "two", "three"].map((host) => lookups.resolve(host));
  assertEquals(scene.running, ["one", "two"]);
  asked.get("one")!.resolve(ADDRESSES);
  assertEquals(await one, ADDRESSES);
  assertEquals(scene.running, ["one", "two", "three"]);
  asked.get("three")!.reject(new Error("no such name"));
  assertEquals(await three.catch((error: Error) => error.message), "no such name");
});

Deno.test("a name that resolved promptly is looked up while others hang", async () => {
  const scene = new Scene();
  await scene.answer("good", scene.lookups.resolve("good"));
  for (const host of ["hangs", "hangs too", "waits"]) void scene.lookups.resolve(host);
  assertEquals(scene.running, ["hangs", "hangs too"]);
  const again = scene.lookups.resolve("good");
  assertEquals(scene.running, ["hangs", "hangs too", "good"]);
  await scene.answer("good", again);
  assertEquals(scene.running, ["hangs", "hangs too"]);
});

Deno.test("a name that took its time, or failed, has to wait for its turn the next time", async () => {
  const scene = new Scene(-1); // nothing is prompt enough
  await scene.answer("slow", scene.lookups.resolve("slow"));
  for (const host of ["hangs", "hangs too", "slow"]) void scene.lookups.resolve(host);
  assertEquals(scene.running, ["hangs", "hangs too"]);
});

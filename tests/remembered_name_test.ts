// What a name means while the resolver answers, is slow, or does not answer at all.

import { RememberedName } from "../core/client/remembered_name.ts";
import { ResolveError, resolveHost } from "../ffi/resolve.ts";
import { internetAddress, type SocketAddress } from "../ffi/socket_address.ts";
import { assert, assertEquals, assertStringIncludes } from "./support/assert.ts";

const ONE = [internetAddress("192.0.2.1", 80)!];
const OTHER = [internetAddress("192.0.2.2", 80)!];

/** A name, and the answers of a resolver that a test gives one by one. */
function nameWith(patienceMs: number) {
  const questions: PromiseWithResolvers<readonly SocketAddress[]>[] = [];
  const name = new RememberedName(() => {
    questions.push(Promise.withResolvers());
    return questions.at(-1)!.promise;
  }, patienceMs);
  return { name, questions };
}

Deno.test("a name means what the resolver says now", async () => {
  const { name, questions } = nameWith(60_000);
  for (const addresses of [ONE, OTHER]) {
    const meaning = name.ask();
    questions.at(-1)!.resolve(addresses);
    assertEquals(await meaning, { addresses, reason: "", answered: true });
  }
});

Deno.test("a name that does not resolve any more means what it meant before, and why is told", async () => {
  const { name, questions } = nameWith(60_000);
  const first = name.ask();
  questions[0].resolve(ONE);
  await first;
  const second = name.ask();
  questions[1].reject(new ResolveError("server.example", -3));
  const { addresses, reason, answered } = await second;
  assertEquals([addresses, answered], [ONE, false]);
  assertStringIncludes(reason, "the name server does not answer for now");
});

Deno.test("while the resolver takes its time a name means what it meant before, and is not asked for twice", async () => {
  const { name, questions } = nameWith(1);
  const first = name.ask();
  await new Promise((resolve) => setTimeout(resolve, 20)); // the first time there is nothing else to go by
  questions[0].resolve(ONE);
  assertEquals((await first).addresses, ONE);
  for (let i = 0; i < 3; i++) {
    assertEquals(await name.ask(), { addresses: ONE, reason: "the resolver does not answer", answered: false });
  }
  assertEquals(questions.length, 2);
  questions[1].resolve(OTHER);
  await questions[1].promise;
  // what came late is what is known from now on
  assertEquals((await name.ask()).addresses, OTHER);
});

Deno.test("a name that has never resolved has no address, and whether anybody answered is told", async () => {
  for (const [result, answered] of [[-2, true], [-5, true], [-3, false], [-4, false], [-11, false]] as const) {
    const { name, questions } = nameWith(60_000);
    const meaning = name.ask();
    const error = new ResolveError("server.example", result);
    questions[0].reject(error);
    assertEquals(await meaning, { addresses: [], reason: error.message, answered });
  }
});

Deno.test("the system's resolver says that a name which cannot be is none", async () => {
  const name = `${"x".repeat(64)}.invalid`;
  const { addresses, reason } = await new RememberedName(() => resolveHost(name, 80)).ask();
  assertEquals(addresses, []);
  assert(reason.startsWith(`Cannot resolve "${name}": `), reason);
});

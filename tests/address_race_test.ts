// Several addresses, tried one beside the other: a head start for each, and whoever answers first.

import { AddressRace, raceOrder } from "../core/client/address_race.ts";
import { close } from "../ffi/descriptor.ts";
import { Errno } from "../ffi/errno.ts";
import { formatAddress, internetAddress, type SocketAddress } from "../ffi/socket_address.ts";
import { assertEquals } from "./support/assert.ts";
import { accepted, listenSomewhere, refusingAddress, silentAddress, type Stage, testOnStage } from "./support/stage.ts";

/** A race, and what came of it. */
class Contest {
  readonly race: AddressRace;
  readonly outcomes: string[] = [];

  constructor(stage: Stage, patienceMs?: number) {
    const events = {
      onRaceWon: (socket: { close(): void }, address: SocketAddress) => {
        socket.close();
        this.outcomes.push(`won by ${formatAddress(address)}`);
      },
      onRaceLost: () => this.outcomes.push(`lost: ${this.race.errors}`),
    };
    this.race = new AddressRace(stage.loop, events, { patienceMs });
  }
}

testOnStage(
  "a silent address delays the next one by a quarter of a second, and one that refuses not at all",
  (stage) => {
    const server = listenSomewhere();
    const { race, outcomes } = new Contest(stage);
    race.start([silentAddress(stage), server.address]);
    stage.advance(200);
    stage.step(2);
    assertEquals(outcomes, []);
    stage.advance(100);
    stage.until(() => outcomes.length > 0, "an outcome");
    race.start([refusingAddress(), refusingAddress(), server.address]);
    stage.until(() => outcomes.length > 1, "an outcome");
    const won = `won by ${formatAddress(server.address)}`;
    assertEquals([outcomes, stage.loop.timers.size], [[won, won], 0]);
    for (let i = 0; i < 2; i++) close(accepted(server.fd));
    close(server.fd);
  },
);

testOnStage("four addresses are tried at a time, and silent ones make room for more", (stage) => {
  const silent = Array.from({ length: 5 }, () => silentAddress(stage));
  const server = listenSomewhere();
  const { race, outcomes } = new Contest(stage);
  race.start([...silent, server.address]);
  for (let i = 0; i < 4; i++) stage.advance(260);
  assertEquals([race.errors, outcomes], [[0, 0, 0, 0], []]);
  stage.advance(600);
  assertEquals(race.errors[0], Errno.ETIMEDOUT);
  stage.advance(300);
  stage.until(() => outcomes.length > 0, "an outcome");
  assertEquals(outcomes, [`won by ${formatAddress(server.address)}`]);
  close(accepted(server.fd));
  close(server.fd);
});

testOnStage("when none is left the race is lost, and silence counts as long as it may", (stage) => {
  const { race, outcomes } = new Contest(stage, 3000);
  race.start([refusingAddress(), refusingAddress()]);
  stage.until(() => outcomes.length > 0, "an outcome");
  assertEquals(outcomes.splice(0), [`lost: ${Errno.ECONNREFUSED},${Errno.ECONNREFUSED}`]);
  race.start([silentAddress(stage), refusingAddress()]);
  stage.advance(300);
  stage.step(2);
  stage.advance(2800);
  assertEquals(outcomes, []);
  stage.advance(300);
  assertEquals([outcomes, stage.loop.timers.size], [[`lost: ${Errno.ETIMEDOUT},${Errno.ECONNREFUSED}`], 0]);
});

testOnStage("an address that is added is tried at once, and one that is known is not added", (stage) => {
  const server = listenSomewhere();
  const { race, outcomes } = new Contest(stage);
  const silent = silentAddress(stage);
  race.start([silent]);
  stage.step(2);
  assertEquals([race.add([silent]), race.add([server.address])], [false, true]);
  stage.until(() => outcomes.length > 0, "an outcome");
  assertEquals(outcomes, [`won by ${formatAddress(server.address)}`]);
  close(accepted(server.fd));
  close(server.fd);
});

testOnStage("a race that is cancelled leaves nothing behind", (stage) => {
  const { race, outcomes } = new Contest(stage);
  race.start([silentAddress(stage), silentAddress(stage), silentAddress(stage)]);
  stage.advance(300);
  race.cancel();
  stage.advance(60_000);
  assertEquals([outcomes, stage.loop.timers.size], [[], 0]);
});

Deno.test("what has worked comes first, and the families take turns", () => {
  const order = (good: string, ...ips: string[]) =>
    raceOrder(ips.map((ip) => internetAddress(ip, 1)!), good).map((address) => formatAddress(address).slice(0, -2));
  assertEquals(order("", "::1", "::2", "::3", "10.0.0.1"), ["[::1]", "10.0.0.1", "[::2]", "[::3]"]);
  assertEquals(order("", "10.0.0.1", "10.0.0.2", "::1"), ["10.0.0.1", "[::1]", "10.0.0.2"]);
  assertEquals(order("10.0.0.1:1", "::1", "::2", "10.0.0.1"), ["10.0.0.1", "[::1]", "[::2]"]);
  assertEquals(order("10.9.9.9:1", "::1", "10.0.0.1"), ["[::1]", "10.0.0.1"]);
  assertEquals(order("", "::1"), ["[::1]"]);
});

// Flags: their defaults, the ways to write them, and what is said about wrong ones.

import { loadServerConfig } from "../core/config/server_config.ts";
import { assertEquals, assertStringIncludes } from "./support/assert.ts";
import { clientConfig, clientMistake, serverConfig, serverMistake } from "./support/config_input.ts";

const LOCAL = "--local_server=127.0.0.1:7777";

Deno.test("without flags the server has its defaults", () => {
  assertEquals(serverConfig([]), {
    bind: "0.0.0.0",
    publicBind: "0.0.0.0",
    ctlPort: 8080,
    proxyPort: 8090,
    advertiseProxyPort: null,
    workThreadNums: Math.min(navigator.hardwareConcurrency, 64),
    token: null,
    tokens: [],
    maxConnections: null,
    publicAllow: [],
    publicDeny: [],
    poolCount: 4,
    maxUnauthenticated: 1024,
    maxUnauthenticatedPerAddress: 512,
    portHoldMs: 60_000,
    drainTimeoutMs: 10_000,
    bufferLimit: null,
    halfCloseTimeoutMs: 3_600_000,
    heartbeatIntervalMs: 10_000,
    heartbeatTimeoutMs: 25_000,
    logLevel: "info",
    logFormat: "text",
  });
});

Deno.test("with a local server only the client has its defaults", () => {
  assertEquals(clientConfig([LOCAL]), {
    cproxyServer: { kind: "tcp", host: "127.0.0.1", port: 8080 },
    proxyServer: null,
    tunnels: [{
      name: "default",
      localServer: { kind: "tcp", host: "127.0.0.1", port: 7777 },
      remotePort: 0,
      allow: [],
      deny: [],
    }],
    workThreadNums: Math.min(navigator.hardwareConcurrency, 64),
    token: null,
    drainTimeoutMs: 10_000,
    bufferLimit: null,
    halfCloseTimeoutMs: 3_600_000,
    heartbeatIntervalMs: 10_000,
    heartbeatTimeoutMs: 25_000,
    logLevel: "info",
    logFormat: "text",
  });
});

Deno.test("every flag of the server reaches its setting", () => {
  const args = [
    "--bind=[::1]",
    "--public_bind=::",
    "--max_connections=4",
    "--ctl_port=1",
    "--proxy_port=2",
    "--advertise_proxy_port=12",
    "--work_thread_nums=3",
    "--token=t",
    "--pool_count=5",
    "--public_allow=10.0.0.0/8,::1",
    "--public_deny=10.1.0.0/16",
    "--max_unauthenticated=60",
    "--max_unauthenticated_per_address=61",
  ];
  args.push(
    "--drain_timeout=6s",
    "--half_close_timeout=9s",
    "--heartbeat_interval=7s",
    "--heartbeat_timeout=8s",
    "--log_level=debug",
  );
  args.push("--log_format=json");
  assertEquals(serverConfig(args), {
    bind: "::1",
    publicBind: "::",
    ctlPort: 1,
    proxyPort: 2,
    advertiseProxyPort: 12,
    workThreadNums: 3,
    token: "t",
    tokens: [],
    maxConnections: 4,
    publicAllow: ["10.0.0.0/8", "::1/128"],
    publicDeny: ["10.1.0.0/16"],
    poolCount: 5,
    maxUnauthenticated: 60,
    maxUnauthenticatedPerAddress: 61,
    portHoldMs: 43_000,
    drainTimeoutMs: 6000,
    bufferLimit: null,
    halfCloseTimeoutMs: 9000,
    heartbeatIntervalMs: 7000,
    heartbeatTimeoutMs: 8000,
    logLevel: "debug",
    logFormat: "json",
  });
});

Deno.test("every flag of the client reaches its setting", () => {
  const args = [
    "--cproxy_server=[::1]:1",
    "--proxy_server=[::2]:3",
    "--local_server=unix:/a",
    "--remote_port=2",
    "--name=n",
    "--token=t",
  ];
  args.push(
    "--work_thread_nums=3",
    "--drain_timeout=6s",
    "--half_close_timeout=9s",
    "--heartbeat_interval=7s",
    "--heartbeat_timeout=8s",
  );
  args.push("--log_level=error", "--log_format=json", "--allow=10.0.0.0/8, ::1", "--deny=::2");
  const lists = { allow: ["10.0.0.0/8", "::1/128"], deny: ["::2/128"] };
  assertEquals(clientConfig(args), {
    cproxyServer: { kind: "tcp", host: "::1", port: 1 },
    proxyServer: { kind: "tcp", host: "::2", port: 3 },
    tunnels: [{ name: "n", localServer: { kind: "unix", path: "/a" }, remotePort: 2, ...lists }],
    workThreadNums: 3,
    token: "t",
    drainTimeoutMs: 6000,
    bufferLimit: null,
    halfCloseTimeoutMs: 9000,
    heartbeatIntervalMs: 7000,
    heartbeatTimeoutMs: 8000,
    logLevel: "error",
    logFormat: "json",
  });
});

Deno.test("underscores and hyphens are the same, and so are an equals sign and a space", () => {
  for (const args of [["--ctl_port=1"], ["--ctl-port=1"], ["--ctl_port", "1"], ["--ctl-port", "1"]]) {
    assertEquals(serverConfig(args).ctlPort, 1, args.join(" "));
  }
});

Deno.test("-c FILE is --config=FILE, and -h and -v are --help and --version", () => {
  const files = { x: "ctl_port: 1" };
  for (const args of [["-c", "x"], ["-c=x"], ["--config", "x"]]) assertEquals(serverConfig(args, { files }).ctlPort, 1);
  assertEquals(serverMistake(["-c"]), "--config: expected a value, as in --config=value");
  const asked = (args: string[]) => loadServerConfig(args, { get: () => undefined }, () => "").kind;
  assertEquals([["-h"], ["-v"], ["--bind=x", "-h"]].map(asked), ["help", "version", "help"]);
});

Deno.test("the level warning may be written as warn", () => {
  assertEquals(serverConfig(["--log_level=warn"]).logLevel, "warning");
  assertEquals(serverConfig(["--config=x"], { files: { x: "log_level: warn" } }).logLevel, "warning");
});

Deno.test("hyphens in values stay hyphens", () => {
  assertEquals(clientConfig([LOCAL, "--name", "my-web", "--token=--a-b=c"]).token, "--a-b=c");
  assertEquals(clientConfig([LOCAL, "--name", "my-web"]).tunnels[0]!.name, "my-web");
});

Deno.test("times are written in ms, s, m or as a bare number of seconds", () => {
  for (
    const [text, ms] of [["500ms", 500], ["10s", 10_000], ["2m", 120_000], ["3", 3000], ["1.5", 1500], ["0.4ms", 1], [
      "0",
      0,
    ]]
  ) {
    assertEquals(serverConfig([`--drain_timeout=${text}`]).drainTimeoutMs, ms as number);
  }
});

Deno.test("both ports of the server may be 0, which takes any free ones", () => {
  const { ctlPort, proxyPort } = serverConfig(["--ctl_port=0", "--proxy_port=0"]);
  assertEquals([ctlPort, proxyPort], [0, 0]);
});

const SERVER_MISTAKES: [string, string[], string][] = [
  ["an unknown flag that is short for one", ["--prot=80"], "Unknown flag --prot: did you mean --proxy_port"],
  ["an unknown flag with a wrong letter", ["--tokem", "x"], "Unknown flag --tokem: did you mean --token"],
  ["an unknown flag without a likeness", ["--zzz"], "Unknown flag --zzz: see --help"],
  ["a token like a flag, which is not shown", ["--token", "-s3cret"], "--token: expected a value, as in --token=value"],
  ["a flag of the client", ["--cproxy_server=a:1"], "Unknown flag --cproxy_server: see --help"],
  ["a single hyphen", ["-p", "80"], "Unknown flag -p: see --help"],
  ["a negated flag", ["--no-bind"], "Unknown flag --no_bind: see --help"],
  ["a flag given twice", ["--ctl_port=1", "--ctl-port=1"], "--ctl_port: expected once, got 2 times"],
  ["a missing value at the end", ["--ctl_port"], "--ctl_port: expected a value, as in --ctl_port=value"],
  ["a missing value before a flag", ["--bind", "--ctl_port=1"], "--bind: expected a value, as in --bind=value"],
  ["an empty value", ["--ctl_port="], '--ctl_port: expected a port from 0 to 65535, got ""'],
  ["a stray word", ["8080"], 'Unexpected argument "8080": every setting is a flag, as in --bind=value'],
  ["a word behind two hyphens", ["--", "a"], 'Unexpected argument "a": every setting is a flag, as in --bind=value'],
  ["a port that is none", ["--ctl_port=http"], '--ctl_port: expected a port from 0 to 65535, got "http"'],
  ["a port that is too high", ["--proxy_port=65536"], '--proxy_port: expected a port from 0 to 65535, got "65536"'],
  ["no thread", ["--work_thread_nums=0"], '--work_thread_nums: expected a whole number from 1 to 64, got "0"'],
  ["too many threads", ["--work_thread_nums=65"], '--work_thread_nums: expected a whole number from 1 to 64, got "65"'],
  ["half a connection", ["--pool_count=1.5"], '--pool_count: expected a whole number from 0 to 1024, got "1.5"'],
  ["too many connections", ["--pool_count=1025"], '--pool_count: expected a whole number from 0 to 1024, got "1025"'],
  [
    "a time without sense",
    ["--drain_timeout=soon"],
    '--drain_timeout: expected a time from 0s to 60m, such as 10s, 500ms or 2m, got "soon"',
  ],
  [
    "a heartbeat that never rests",
    ["--heartbeat_interval=0"],
    '--heartbeat_interval: expected a time from 10ms to 30m, such as 10s, 500ms or 2m, got "0"',
  ],
  [
    "a timeout that is no longer than the interval",
    ["--heartbeat_timeout=10s"],
    "--heartbeat_timeout: expected a heartbeat_timeout longer than heartbeat_interval, got 10s and 10s",
  ],
  [
    "an interval beyond the default timeout",
    ["--heartbeat_interval=1m"],
    "--heartbeat_interval: expected a heartbeat_timeout longer than heartbeat_interval, got 25s and 1m",
  ],
  ["an unknown level", ["--log_level=loud"], '--log_level: expected one of debug, info, warning, error, got "loud"'],
  ["an unknown format", ["--log_format=xml"], '--log_format: expected one of text, json, got "xml"'],
  [
    "an address with a port",
    ["--bind=1.2.3.4:80"],
    '--bind: expected an IPv4 address, an IPv6 address or a host name, got "1.2.3.4:80"',
  ],
  [
    "a value with a line break",
    ["--bind=a\nb"],
    '--bind: expected an IPv4 address, an IPv6 address or a host name, got "a\\nb"',
  ],
];

for (const [what, args, message] of SERVER_MISTAKES) {
  Deno.test(`the server is told about ${what}`, () => assertEquals(serverMistake(args), message));
}

Deno.test("a client without a tunnel is told how to give one", () => {
  assertEquals(clientMistake([]), "No tunnel, expected --local_server=127.0.0.1:7777 or a YAML file with tunnels");
});

Deno.test("a public port or a name without a local server is a mistake", () => {
  assertEquals(
    clientMistake(["--remote_port=1"]),
    "--remote_port: expected --local_server beside it, as in --local_server=127.0.0.1:7777",
  );
  assertStringIncludes(clientMistake(["--name=a"]), "--name: expected --local_server");
});

Deno.test("the server's address cannot be a Unix socket", () => {
  assertStringIncludes(
    clientMistake([LOCAL, "--cproxy_server=unix:/a"]),
    "--cproxy_server: expected host:port such as",
  );
});

Deno.test("a tunnel's name is 1 to 64 plain characters", () => {
  assertEquals(clientConfig([LOCAL, `--name=${"a".repeat(64)}`]).tunnels[0]!.name.length, 64);
  for (const name of ["", "a b", "a/b", "é", "a".repeat(65)]) {
    assertStringIncludes(clientMistake([LOCAL, `--name=${name}`]), "--name: expected a name of 1 to 64");
  }
});

Deno.test("a flag of any strange name is unknown, and nothing worse", () => {
  for (const flag of ["--_", "--_.x", "--__proto__", "--__proto__.x", "--constructor.prototype.x", "-_"]) {
    const args = [`${flag}=1`, "word"];
    assertStringIncludes(serverMistake(args), `Unknown flag ${flag}`);
    assertEquals(({} as { x?: string }).x, undefined);
  }
});

Deno.test("words that are no flags are told as they were written", () => {
  assertStringIncludes(serverMistake(["010"]), 'Unexpected argument "010"');
  assertStringIncludes(serverMistake(["--", "--bind=x"]), 'Unexpected argument "--bind=x"');
});

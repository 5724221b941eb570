// YAML files: what they may say, what wins, and what is said about wrong ones.

import { assertEquals, assertStringIncludes } from "./support/assert.ts";
import { clientConfig, clientMistake, serverConfig, serverMistake } from "./support/config_input.ts";

/** The lists of a tunnel that has none. */
const OPEN = { allow: [], deny: [] };

Deno.test("a file says everything that the server's flags say", () => {
  const text = `
bind: "::1"
public_bind: "::"
max_connections: 4
ctl_port: 1
proxy_port: "2"
work_thread_nums: 3
token: t
public_allow: [10.0.0.0/8, "2001:db8::/32"]
public_deny: 10.1.0.0/16
pool_count: 5
max_unauthenticated: 60
max_unauthenticated_per_address: 61
drain_timeout: 6
half_close_timeout: 9
heartbeat_interval: 7s
heartbeat_timeout: 8s
log_level: debug
log_format: json
`;
  assertEquals(serverConfig(["--config=server.yaml"], { files: { "server.yaml": text } }), {
    bind: "::1",
    publicBind: "::",
    ctlPort: 1,
    proxyPort: 2,
    advertiseProxyPort: null,
    workThreadNums: 3,
    token: "t",
    tokens: [],
    maxConnections: 4,
    publicAllow: ["10.0.0.0/8", "2001:db8::/32"],
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

const CLIENT_YAML = `# tunnels: none here
cproxy_server: tunnel.example:8080

tunnels:
  - name: web
    local_server: 127.0.0.1:7777
    remote_port: 9000
    allow: [192.0.2.0/24, "::1"]
    deny: [192.0.2.7]

  # name: old
  - local_server: "[::1]:22"
  - name: app
    local_server: unix:/run/app.sock
`;

Deno.test("a file has many tunnels, whose names and public ports may be left out", () => {
  const { cproxyServer, tunnels } = clientConfig(["--config=client.yaml"], { files: { "client.yaml": CLIENT_YAML } });
  assertEquals(cproxyServer, { kind: "tcp", host: "tunnel.example", port: 8080 });
  assertEquals(tunnels, [
    {
      name: "web",
      localServer: { kind: "tcp", host: "127.0.0.1", port: 7777 },
      remotePort: 9000,
      allow: ["192.0.2.0/24", "::1/128"],
      deny: ["192.0.2.7/32"],
    },
    { name: "default", localServer: { kind: "tcp", host: "::1", port: 22 }, remotePort: 0, ...OPEN },
    { name: "app", localServer: { kind: "unix", path: "/run/app.sock" }, remotePort: 0, ...OPEN },
  ]);
});

Deno.test("flags win over the file", () => {
  const files = { "server.yaml": "ctl_port: 1\nproxy_port: 2\n" };
  const { ctlPort, proxyPort } = serverConfig(["--config=server.yaml", "--ctl_port=3"], { files });
  assertEquals([ctlPort, proxyPort], [3, 2]);
});

Deno.test("the tunnel of the command line takes the place of the file's", () => {
  const files = { "client.yaml": CLIENT_YAML };
  const { cproxyServer, tunnels } = clientConfig(["--config=client.yaml", "--local_server=a:1"], { files });
  assertEquals(cproxyServer.host, "tunnel.example");
  assertEquals(tunnels, [{
    name: "default",
    localServer: { kind: "tcp", host: "a", port: 1 },
    remotePort: 0,
    ...OPEN,
  }]);
});

Deno.test("a file of comments only is a file without settings", () => {
  assertEquals(serverConfig(["--config=a"], { files: { a: "# nothing\n" } }).ctlPort, 8080);
});

Deno.test("a file that is missing is told in one line", () => {
  assertEquals(serverMistake(["--config=a.yaml"]), '--config: cannot read "a.yaml": No such file or directory');
});

const SERVER_MISTAKES: [string, string, string][] = [
  [
    "a value of the wrong kind",
    "bind: a\nctl_port: http",
    'x.yaml:2: ctl_port: expected a port from 0 to 65535, got "http"',
  ],
  ["a number that is no port", "ctl_port: 80.5", 'x.yaml:1: ctl_port: expected a port from 0 to 65535, got "80.5"'],
  ["a key without a value", "ctl_port:", "x.yaml:1: ctl_port: expected a port from 0 to 65535, got nothing"],
  ["a list for a value", "ctl_port: [1]", "x.yaml:1: ctl_port: expected a port from 0 to 65535, got a list"],
  ["a mapping for a value", "ctl_port: {a: 1}", "x.yaml:1: ctl_port: expected a port from 0 to 65535, got a mapping"],
  ["an unknown key that is like one", "bind: a\n'ctlport': 1", "x.yaml:2: ctlport: unknown key, did you mean ctl_port"],
  ["a key of the client", "tunnels: []", "x.yaml:1: tunnels: unknown key, expected one of bind, public_bind,"],
  ["a key with a line break", '"a\\nb": 1', 'x.yaml:1: "a\\nb": unknown key, expected one of bind,'],
  ["a key that objects inherit", "__proto__: 1", "x.yaml:1: __proto__: unknown key, expected one of bind,"],
  ["a list for a file", "- bind", 'x.yaml:1: expected keys with values, as in "bind: …", got a list'],
  ["a word for a file", "bind", 'x.yaml:1: expected keys with values, as in "bind: …", got text'],
  [
    "a timeout that is too short",
    "\nheartbeat_timeout: 5s",
    "x.yaml:2: heartbeat_timeout: expected a heartbeat_timeout longer than",
  ],
];

for (const [what, text, message] of SERVER_MISTAKES) {
  Deno.test(`the server is told about ${what} in its file`, () => {
    assertEquals(serverMistake(["--config=x.yaml"], { files: { "x.yaml": text } }).slice(0, message.length), message);
  });
}

const CLIENT_MISTAKES: [string, string, string][] = [
  [
    "a port that is none",
    "tunnels:\n  - name: a\n    local_server: a:1\n\n  - name: b\n    local_server: b:1\n    remote_port: http",
    'x.yaml:7: tunnels[1].remote_port: expected a port from 0 to 65535, got "http"',
  ],
  [
    "a tunnel without a service",
    "tunnels:\n- local_server: a:1\n- name: b",
    "x.yaml:3: tunnels[1].local_server: expected host:port such as 127.0.0.1:7777, or unix:/path/to.sock, got nothing",
  ],
  [
    "an unknown key of a tunnel",
    "tunnels:\n- local_server: a:1\n  port: 1",
    "x.yaml:3: tunnels[0].port: unknown key, did you mean remote_port",
  ],
  [
    "a key of a tunnel outside of the list",
    "cproxy_server: a:1\nlocal_server: a:1",
    'x.yaml:2: local_server: unknown key, expected in an entry of the list, as in "tunnels: [{ local_server: 127.0.0.1:7777 }]"',
  ],
  [
    "a key outside of the list in a tunnel",
    "tunnels:\n- local_server: a:1\n  cproxy_server: a:1",
    "x.yaml:3: tunnels[0].cproxy_server: unknown key, expected outside of the list, without indentation",
  ],
  ["an empty list", "\ntunnels: []", "x.yaml:2: tunnels: expected a tunnel, got an empty list"],
  [
    "a file without a list",
    "log_level: info",
    "x.yaml: No tunnel, expected --local_server=127.0.0.1:7777 or a YAML file with tunnels",
  ],
  ["a list that is none", "tunnels: a:1", "x.yaml:1: tunnels: expected a list, got text"],
  ["a list without a value", "tunnels:", "x.yaml:1: tunnels: expected a list, got nothing"],
  [
    "a tunnel that is none",
    "tunnels:\n- a:1",
    'x.yaml:2: tunnels[0]: expected keys with values, as in "local_server: …", got text',
  ],
  [
    "a name used twice",
    "tunnels:\n- {local_server: a:1, name: a}\n- {local_server: b:1, name: a}",
    'x.yaml:3: tunnels[1].name: expected a name that no other tunnel has, got "a" again',
  ],
  [
    "a public port used twice",
    "tunnels:\n- local_server: a:1\n  name: a\n  remote_port: 9\n- local_server: b:1\n  remote_port: 9",
    "x.yaml:6: tunnels[1].remote_port: expected a port that no other tunnel has, got 9 again",
  ],
];

for (const [what, text, message] of CLIENT_MISTAKES) {
  Deno.test(`the client is told about ${what} in its file`, () => {
    assertEquals(clientMistake(["--config=x.yaml"], { files: { "x.yaml": text } }), message);
  });
}

Deno.test("many tunnels may leave the public port to the server", () => {
  const text = "tunnels:\n- {local_server: a:1, name: a}\n- {local_server: b:1, name: b, remote_port: 0}";
  assertEquals(clientConfig(["--config=x"], { files: { x: text } }).tunnels.map((tunnel) => tunnel.remotePort), [0, 0]);
});

Deno.test("a client has 65535 tunnels and not 65536, and a list as long is read in no time", () => {
  const files = (count: number) => ({
    x: `tunnels:\n${Array.from({ length: count }, (_, i) => `- {local_server: "a:1", name: t${i}}\n`).join("")}`,
  });
  assertEquals(clientConfig(["--config=x"], { files: files(65_535) }).tunnels.length, 65_535);
  const said = clientMistake(["--config=x"], { files: files(65_536) });
  assertEquals(said, "x:1: tunnels: expected at most 65535 tunnels, got 65536");
});

Deno.test("a mistake in the file is told also where a flag wins over the key", () => {
  const mistake = serverMistake(["--config=x", "--ctl_port=1"], { files: { x: "ctl_port: http" } });
  assertStringIncludes(mistake, "x:1: ctl_port: expected a port");
});

Deno.test("the examples are right", () => {
  const server = Deno.readTextFileSync(new URL("../examples/server.yaml", import.meta.url));
  const { workThreadNums: _, ...config } = serverConfig(["--config=s"], { files: { s: server } });
  const { workThreadNums: __, ...defaults } = serverConfig([]);
  assertEquals(config, defaults);
  const client = Deno.readTextFileSync(new URL("../examples/client.yaml", import.meta.url));
  const { tunnels } = clientConfig(["--config=c"], { files: { c: client } });
  assertEquals(tunnels.map(({ name, remotePort }) => [name, remotePort]), [["web", 9000], ["ssh", 0], ["app", 9001]]);
});

Deno.test("the example of tokens is right, and shows every key of an entry", () => {
  const text = Deno.readTextFileSync(new URL("../examples/server.yaml", import.meta.url));
  const list = /^# tokens:\n(?:#.*\n)+/m.exec(text)![0].replaceAll(/^# ?/gm, "");
  const files = { "etc/s": list, "etc/alice.token": "a", "etc/bob.token": "b" };
  const [alice, bob] = serverConfig(["--config=etc/s"], { files }).tokens;
  assertEquals(alice, {
    name: "alice",
    token: "a",
    ports: [{ low: 8000, high: 8010 }, { low: 9000, high: 9000 }],
    maxClients: 3,
    maxTunnels: 5,
    maxConnections: 200,
    maxConnectionsPerTunnel: 50,
    publicBind: "192.0.2.8",
  });
  const rules = {
    maxClients: null,
    maxTunnels: null,
    maxConnections: null,
    maxConnectionsPerTunnel: null,
    publicBind: null,
  };
  assertEquals(bob, { name: "bob", token: "b", ports: [{ low: 8100, high: 8199 }], ...rules });
});

Deno.test("the examples show every key, also those that are commented out", () => {
  for (const [name, load] of [["server", serverMistake], ["client", clientMistake]] as const) {
    const text = Deno.readTextFileSync(new URL(`../examples/${name}.yaml`, import.meta.url));
    const known = /expected one of (.*)$/.exec(load(["--config=x"], { files: { x: "zzzz: 1" } }))![1]!.split(", ");
    for (const key of known.filter((key) => key !== "token")) assertStringIncludes(text, `${key}:`);
  }
});

Deno.test("a key of any length is shown up to 80 characters", () => {
  const mistake = serverMistake(["--config=x.yaml"], { files: { "x.yaml": `${"k".repeat(1000)}: 1` } });
  assertStringIncludes(mistake, `x.yaml:1: "${"k".repeat(80)}…": unknown key`);
});

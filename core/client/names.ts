// The host names of a client: the server's, which alone may hold up the login, and the names of its LocalServers. They
// belong to the supervisor.
import { resolveHost } from "../../ffi/resolve.ts";
import { internetAddress, type SocketAddress, unixAddress, withPort } from "../../ffi/socket_address.ts";
import type { ClientConfig } from "../config/client_config.ts";
import type { Endpoint } from "../config/endpoint.ts";
import { Lookups } from "./lookups.ts";
import { type Meaning, RememberedName } from "./remembered_name.ts";

/** Names of LocalServers that are looked up at a time when the program starts: visitors come first. */
const CHECKS = 4;

/** The addresses of an endpoint that needs no resolver, or null. */
export function fixedAddresses(endpoint: Endpoint): readonly SocketAddress[] | null {
  if (endpoint.kind === "unix") return [unixAddress(endpoint.path)];
  const address = internetAddress(endpoint.host, endpoint.port);
  return address === null ? null : [address];
}

/** See the file's head. Main isolate. */
export class Names {
  readonly #server: RememberedName;
  readonly #proxyServer: RememberedName | null;
  readonly #lookups = new Lookups((host) => resolveHost(host, 0));
  /** Tunnels with the same host share it. */
  readonly #hosts = new Map<string, RememberedName>();
  /** By a tunnel's number less 1. */
  readonly #locals: readonly (() => Promise<Meaning>)[];

  /** Knows the names of a configuration, and asks for no name yet. */
  constructor({ cproxyServer: { host, port }, proxyServer, tunnels }: ClientConfig) {
    // past the bounds of the look-ups: no LocalServer's name may stand in its way
    this.#server = new RememberedName(() => resolveHost(host, port));
    this.#proxyServer = proxyServer && new RememberedName(() => resolveHost(proxyServer.host, proxyServer.port));
    this.#locals = tunnels.map(({ localServer }) => this.#localOf(localServer));
  }

  #localOf(endpoint: Endpoint): () => Promise<Meaning> {
    const addresses = fixedAddresses(endpoint);
    if (addresses !== null) return () => Promise.resolve({ addresses, reason: "", answered: true });
    const { host, port } = endpoint as Endpoint & { kind: "tcp" };
    let name = this.#hosts.get(host);
    if (name === undefined) this.#hosts.set(host, name = new RememberedName(() => this.#lookups.resolve(host)));
    return async () => {
      const meaning = await name.ask();
      return { ...meaning, addresses: meaning.addresses.map((address) => withPort(address, port)) };
    };
  }

  /** What the server's name means now. Never rejects. */
  server(): Promise<Meaning> {
    return this.#server.ask();
  }

  /** What the name of the address for data means now, or null when it is the server's. Never rejects. */
  proxyServer(): Promise<Meaning> | null {
    return this.#proxyServer?.ask() ?? null;
  }

  /**
   * What the host of a LocalServer means now. Never rejects.
   *
   * @param tunnel The tunnel's place in the configuration, from 0.
   */
  local(tunnel: number): Promise<Meaning> {
    return this.#locals[tunnel]();
  }

  /**
   * Asks once for every LocalServer, so that a wrong name is told before there is a visitor, and that names which resolve
   * are known to.
   *
   * @param onUnknown Called with a tunnel's place and the reason, for each that does not resolve.
   */
  async check(onUnknown: (tunnel: number, reason: string) => void): Promise<void> {
    let next = 0;
    const checkSome = async () => {
      while (next < this.#locals.length) {
        const tunnel = next++;
        const { addresses, reason } = await this.local(tunnel);
        if (addresses.length === 0) onUnknown(tunnel, reason);
      }
    };
    await Promise.all(Array.from({ length: CHECKS }, checkSome));
  }
}

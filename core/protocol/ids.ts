// The numbers that name things on the wire, each its own type, so that none is passed for another.
// It must never know where they come from. 0 names nothing, in all four.

/** A ProxyConn of one Control, chosen by the server: 1..2^32-1. */
export type ProxyId = number & { readonly brand: "ProxyId" };

/** A session on one ProxyConn, counted from 1: 1..2^32-1. */
export type SessionNo = number & { readonly brand: "SessionNo" };

/** A tunnel of one ctl_conn, chosen by the client: 1..65535. */
export type TunnelNo = number & { readonly brand: "TunnelNo" };

/** A Control of one server process, chosen by the server: 1..2^32-1. */
export type ControlId = number & { readonly brand: "ControlId" };

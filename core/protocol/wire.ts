// The numbers of the wire: version, limits, type codes. It must never know what a message carries.
// docs/protocol.md lists the same numbers, and a test compares the two.

/** The version of the protocol, told in NewCtlReq, NewCtlChallenge and the preamble. Both ends must have the same. */
export const PROTOCOL_VERSION = 2;

/** Bytes in front of every body: u32 length of what follows it, u8 type. */
export const FRAME_HEADER_BYTES = 5;

/** The longest frame, in bytes, with its length field. */
export const MAX_FRAME_BYTES = 65_536;

/** The longest frame, in bytes, that an end takes from a peer that has not logged in yet. */
export const MAX_FRAME_BYTES_BEFORE_LOGIN = 1024;

/**
 * The type bytes on a ctl_conn; no byte is used on two kinds of connection, and 0x00 is no type. Free for later:
 * 0x06..0x0f login and TLS, 0x13..0x1e tunnels routed by name, 0x24..0x2f sessions, 0x40..0x5f UDP, 0x60..0xff the rest.
 */
export const CTL_TYPE_CODE = {
  NewCtlReq: 0x01,
  NewCtlChallenge: 0x02,
  NewCtlProof: 0x03,
  NewCtlRsp: 0x04,
  CloseCtl: 0x05,
  NewTunnelReq: 0x10,
  NewTunnelRsp: 0x11,
  CloseTunnel: 0x12,
  Heartbeat: 0x1f,
  NotifyClientNeedProxy: 0x20,
} as const;

/** The type bytes on a notice connection. */
export const NOTICE_TYPE_CODE = {
  NotifyProxyShutdownPeerConn: 0x21,
  FreeProxyConnReq: 0x22,
  ResetSession: 0x23,
} as const;

/** The type bytes on a ProxyConn. Free for later: 0x33..0x3f. */
export const PROXY_TYPE_CODE = {
  ProxyMetaSet: 0x30,
  StartProxyConnReq: 0x31,
  StartProxyConnRsp: 0x32,
} as const;

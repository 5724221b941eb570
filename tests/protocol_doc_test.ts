// docs/protocol.md against the codec, in both directions: the page is parsed, and whatever it says is tried out.

import * as auth from "../core/protocol/auth.ts";
import * as jsonBody from "../core/protocol/json_body.ts";
import { PREAMBLE_BYTES, PROXY_META_SET_BYTES } from "../core/protocol/proxy_frame.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import * as proxyFrame from "../core/protocol/proxy_frame.ts";
import { TICKET_BYTES } from "../core/protocol/ticket.ts";
import * as wire from "../core/protocol/wire.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import {
  type Example,
  type Fields,
  MARKDOWN,
  parseConstants,
  parseExamples,
  parseJsonTables,
  parseOffsetTables,
  parseTypes,
  toHex,
} from "./support/protocol_doc.ts";
import { decodeAny, encodeAny } from "./support/protocol_frames.ts";

const TYPE_CODE: Record<string, number> = {
  ...wire.CTL_TYPE_CODE,
  ...wire.NOTICE_TYPE_CODE,
  ...wire.PROXY_TYPE_CODE,
};
const ALL_NAMES = ["Preamble", ...Object.keys(TYPE_CODE)].sort();
const jsonTables = parseJsonTables(MARKDOWN);
const offsetTables = parseOffsetTables(MARKDOWN);
const examples = parseExamples(MARKDOWN);

function example(name: string, fits: (fields: Fields) => boolean = () => true): Example {
  const found = examples.find((e) => e.name === name && fits(e.fields));
  assert(found !== undefined, `No example of ${name}`);
  return found;
}

Deno.test("The page lists every type code, and no other", () => {
  const types = parseTypes(MARKDOWN);
  assertEquals(Object.fromEntries(types.map((t) => [t.name, t.code])), TYPE_CODE);
  for (const { name, connection, body } of types) {
    const notice = name in wire.NOTICE_TYPE_CODE;
    assertEquals(
      connection,
      notice ? "notice connection" : name in wire.CTL_TYPE_CODE ? "ctl_conn" : "ProxyConn",
      name,
    );
    assertEquals(body, jsonTables.some((t) => t.name === name) ? "JSON" : "binary", name);
  }
});

Deno.test("The page gives every constant its value", () => {
  const code: Record<string, unknown> = {
    ...wire,
    ...auth,
    ...jsonBody,
    ...proxyFrame,
    PREAMBLE_BYTES,
    PROXY_META_SET_BYTES,
    TICKET_BYTES,
  };
  const documented = parseConstants(MARKDOWN);
  const numbers = Object.entries(code).filter(([, value]) => typeof value === "number");
  assertEquals(documented, Object.fromEntries(numbers) as Record<string, number>);
});

Deno.test("Every message has its table", () => {
  const names = new Set([...jsonTables, ...offsetTables].map((t) => t.name));
  assertEquals([...names].sort(), ALL_NAMES);
});

Deno.test("Every message has an example, JSON messages one for each form", () => {
  assertEquals([...new Set(examples.map((e) => e.name))].sort(), ALL_NAMES);
  for (const { name, title, rows } of jsonTables) {
    const keys = rows.map((row) => row.field);
    const forms = examples.filter((e) => e.name === name && Object.keys(e.fields).join() === keys.join());
    assert(forms.length > 0, `No example of ${title} with the keys ${keys}`);
  }
});

for (const [at, { name, fields, bytes }] of examples.entries()) {
  Deno.test(`Example ${at + 1} of the page is a ${name} with these fields and these bytes, both ways`, () => {
    assertEquals(toHex(encodeAny(name, fields)), toHex(bytes));
    assertEquals(decodeAny(name, bytes), fields);
  });
}

Deno.test("The proofs in the examples are those of the token on the page", () => {
  const token = /has the token, here `([^`]+)`/.exec(MARKDOWN)?.[1];
  assert(token !== undefined);
  const hello = example("NewCtlReq").fields as { version: number; nonce: string; instance: string };
  const greeting: auth.Greeting = {
    version: hello.version,
    clientNonce: hello.nonce,
    serverNonce: example("NewCtlChallenge").fields.nonce as string,
    instance: hello.instance,
  };
  assertEquals(example("NewCtlProof", (f) => f.auth === "token").fields.proof, auth.clientProof(token, greeting));
  assertEquals(example("NewCtlRsp", (f) => f.ok === true).fields.proof, auth.serverProof(token, greeting));
});

for (const { name, rows } of offsetTables) {
  Deno.test(`The offset table of ${name} covers every byte of its frame`, () => {
    let end = 0;
    for (const row of rows) {
      assertEquals(row.offset, end, `offset of ${row.field}`);
      end += row.size;
    }
    assertEquals(example(name).bytes.length, end);
    const fixed = Object.fromEntries(
      rows.filter((row) => row.fixed !== undefined).map((row) => [row.field, row.fixed]),
    );
    if (name !== "Preamble") {
      assertEquals(fixed.length, BigInt(end - 4));
      assertEquals(fixed.type, BigInt(TYPE_CODE[name]));
    }
  });

  Deno.test(`A ${name} put together by its offset table is what the codec reads and writes, at both ends of each range`, () => {
    for (const end of ["min", "max"] as const) {
      for (const row of rows.filter((r) => r.fixed === undefined).concat(rows[0])) {
        const bytes = new Uint8Array(rows.reduce((sum, r) => sum + r.size, 0));
        const fields: Fields = {};
        for (const r of rows) {
          // The row in question has its extreme value and all others something else, so that none stands in for another.
          const value = r.fixed ?? (r === row ? r[end] : r.min + (r.max - r.min) / 3n);
          r.put(bytes, value);
          if (r.fixed === undefined) fields[r.field] = r.value(value);
        }
        assertEquals(decodeAny(name, bytes), fields, row.field);
        assertEquals(toHex(encodeAny(name, fields)), toHex(bytes), row.field);
      }
    }
  });

  Deno.test(`A ${name} with a value outside its offset table is a ProtocolError`, () => {
    const { bytes } = example(name);
    for (const row of rows) {
      const wrong = row.fixed === undefined ? [row.min - 1n, row.max + 1n] : [row.fixed + 1n, row.fixed - 1n];
      for (const value of wrong) {
        if (value < 0n || value >= 1n << BigInt(8 * row.size)) continue;
        const frame = bytes.slice();
        row.put(frame, value);
        // A type one off may be that of another message with the same layout: not malformed, but not this one.
        assertThrows(() => decodeAny(name, frame), row.field === "type" ? Error : ProtocolError);
      }
    }
  });
}

for (const { name, title, rows } of jsonTables) {
  const sample = (): Fields => Object.fromEntries(rows.map((row) => [row.field, row.good[0]]));
  const frame = (fields: Fields): Uint8Array => {
    const body = new TextEncoder().encode(JSON.stringify(fields));
    const bytes = new Uint8Array(5 + body.length);
    new DataView(bytes.buffer).setUint32(0, body.length + 1);
    bytes[4] = TYPE_CODE[name];
    bytes.set(body, 5);
    return bytes;
  };

  Deno.test(`The codec takes from ${title} exactly the keys in its table`, () => {
    const { [rows[0].field]: first, ...rest } = sample();
    assertEquals(decodeAny(name, frame({ ...sample(), unknown: 1 })), { [rows[0].field]: first, ...rest });
    for (const row of rows) {
      if (row.isOptional) continue;
      const fields = sample();
      delete fields[row.field];
      assertThrows(() => decodeAny(name, frame(fields)), ProtocolError, name);
    }
  });

  for (const row of rows) {
    Deno.test(`${title} takes for "${row.field}" what its table says: ${row.text}`, () => {
      for (const value of row.good) {
        const fields = { ...sample(), [row.field]: value };
        assertEquals(decodeAny(name, frame(fields)), fields);
        assertEquals(toHex(encodeAny(name, fields)), toHex(frame(fields)));
      }
      for (const value of row.bad) {
        assertThrows(() => decodeAny(name, frame({ ...sample(), [row.field]: value })), ProtocolError, name);
      }
    });
  }
}

Deno.test("The page itself is read whole: a table or example that the test cannot parse does not go unnoticed", () => {
  const blocks = MARKDOWN.split("\n```frame ").length - 1;
  assertEquals(examples.length, blocks);
  // And two more: the one of the types, and the one of the frame as such, which has no fixed size.
  const tables = MARKDOWN.match(/^\| --- /gm)?.length ?? 0;
  const constants = MARKDOWN.match(/^\| constant /gm)?.length ?? 0;
  assertEquals(tables, jsonTables.length + offsetTables.length + constants + 2);
});

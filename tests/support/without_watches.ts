// Becomes another program for which the kernel watches no descriptor from some number on: epoll_ctl(2) says ENOSPC, as
// when fs.epoll.max_user_watches is reached. That setting is one for the whole host; a filter (seccomp(2)) is this
// program's alone. Arguments: the first descriptor that is not watched, and the command.

const NUMBERS: Readonly<Record<string, number>> = { x86_64: 233, aarch64: 21 };
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const ENOSPC = 28;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
// classic BPF: load a word of struct seccomp_data, jump if equal or if not less, return
const [LOAD, JUMP_EQUAL, JUMP_NOT_LESS, RETURN] = [0x20, 0x15, 0x35, 0x06];
const [NR, OPERATION, FD] = [0, 24, 32];
const EPOLL_CTL_ADD = 1;

const { prctl, execv } = Deno.dlopen("libc.so.6", {
  prctl: { parameters: ["i32", "u64", "pointer", "u64", "u64"], result: "i32" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
}).symbols;

const [first, ...command] = Deno.args;
const program: readonly [code: number, ifTrue: number, ifFalse: number, operand: number][] = [
  [LOAD, 0, 0, NR],
  [JUMP_EQUAL, 0, 5, NUMBERS[Deno.build.arch]],
  [LOAD, 0, 0, OPERATION],
  [JUMP_EQUAL, 0, 3, EPOLL_CTL_ADD],
  [LOAD, 0, 0, FD],
  [JUMP_NOT_LESS, 0, 1, Number(first)],
  [RETURN, 0, 0, ERRNO | ENOSPC],
  [RETURN, 0, 0, ALLOW],
];
const filter = new DataView(new ArrayBuffer(8 * program.length));
for (const [i, [code, ifTrue, ifFalse, operand]] of program.entries()) {
  filter.setUint16(8 * i, code, true);
  filter.setUint8(8 * i + 2, ifTrue);
  filter.setUint8(8 * i + 3, ifFalse);
  filter.setUint32(8 * i + 4, operand, true);
}
// struct sock_fprog: unsigned short len, and a pointer
const fprog = new BigUint64Array([BigInt(program.length), addressOf(filter)]);

function addressOf(memory: ArrayBufferView<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}

const texts = command.map((text) => new TextEncoder().encode(`${text}\0`));
const argv = new BigUint64Array([...texts.map(addressOf), 0n]);
const filtered = prctl(PR_SET_NO_NEW_PRIVS, 1n, null, 0n, 0n) === 0 &&
  prctl(PR_SET_SECCOMP, BigInt(SECCOMP_MODE_FILTER), Deno.UnsafePointer.of(fprog), 0n, 0n) === 0;
if (!filtered) throw new Error("Cannot filter system calls");
execv(texts[0], argv);
throw new Error(`Cannot run ${command[0]}`);

// The channels of one loop by their descriptors, each with a generation. A process has up to a million descriptors, and
// each of its loops a part of the descriptors: so the table consists of pages, each made when its first descriptor comes.
// Growing arrays would be copied again and again, which is most of the garbage of a program that fills with connections.
import type { Descriptor } from "../../ffi/descriptor.ts";

const PAGE_BITS = 9;
const PAGE_SLOTS = 1 << PAGE_BITS;
const SLOT_MASK = PAGE_SLOTS - 1;

interface Page<Channel> {
  readonly channels: (Channel | null)[];
  readonly generations: Int32Array;
}

/** See the file's head. One thread. */
export class ChannelTable<Channel> {
  readonly #pages: (Page<Channel> | null)[] = [];

  /** The channel with that descriptor, if there is one. */
  at(fd: Descriptor): Channel | null {
    return this.#pages[fd >> PAGE_BITS]?.channels[fd & SLOT_MASK] ?? null;
  }

  /** The channel with that descriptor, if it is still the one of that generation. */
  of(fd: Descriptor, generation: number): Channel | null {
    const page = this.#pages[fd >> PAGE_BITS];
    if (page === null || page === undefined || page.generations[fd & SLOT_MASK] !== generation) return null;
    return page.channels[fd & SLOT_MASK];
  }

  /** How many channels have left that descriptor's place, modulo 2^32; a new channel is of that generation. */
  generation(fd: Descriptor): number {
    return this.#page(fd).generations[fd & SLOT_MASK];
  }

  /** Puts a channel in its descriptor's place, which is empty. */
  set(fd: Descriptor, channel: Channel): void {
    this.#page(fd).channels[fd & SLOT_MASK] = channel;
  }

  /** Empties the place: from now on it is one generation later there. */
  clear(fd: Descriptor): void {
    const { channels, generations } = this.#page(fd);
    channels[fd & SLOT_MASK] = null;
    generations[fd & SLOT_MASK]++;
  }

  #page(fd: Descriptor): Page<Channel> {
    const number = fd >> PAGE_BITS;
    while (this.#pages.length <= number) this.#pages.push(null);
    return this.#pages[number] ??= {
      channels: new Array<Channel | null>(PAGE_SLOTS).fill(null),
      generations: new Int32Array(PAGE_SLOTS),
    };
  }

  /** All channels at the moment: a walk over every descriptor number. Channels may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Channel, void> {
    for (const page of this.#pages) {
      if (page === null) continue;
      for (const channel of page.channels) if (channel !== null) yield channel;
    }
  }
}

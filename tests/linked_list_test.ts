// Lists whose links are in their items: the order, and that what was taken out is nowhere any more.

import { type Linked, LinkedList } from "../core/reactor/linked_list.ts";
import { assertEquals } from "./support/assert.ts";
import { randomFrom, seedOfRun } from "./support/random.ts";

class Item implements Linked<Item> {
  list: LinkedList<Item> | null = null;
  before: Item | null = null;
  after: Item | null = null;
}

function forwards(list: LinkedList<Item>): Item[] {
  const items = [];
  for (let item = list.first; item !== null; item = item.after) items.push(item);
  return items;
}

function backwards(list: LinkedList<Item>): Item[] {
  const items = [];
  for (let item = list.last; item !== null; item = item.before) items.unshift(item);
  return items;
}

Deno.test("a list does what an array does", () => {
  const random = randomFrom(seedOfRun());
  const [list, expected] = [new LinkedList<Item>(), [] as Item[]];
  for (let i = 0; i < 3000; i++) {
    switch (random.between(0, 4)) {
      case 0: {
        const item = new Item();
        list.push(item);
        expected.push(item);
        break;
      }
      case 1: {
        const item = new Item();
        list.unshift(item);
        expected.unshift(item);
        break;
      }
      case 2:
        assertEquals(list.shift() === (expected.shift() ?? null), true);
        break;
      case 3:
        assertEquals(list.pop() === (expected.pop() ?? null), true);
        break;
      default: {
        if (expected.length === 0) break;
        const at = random.between(0, expected.length - 1);
        const [item] = expected.splice(at, 1);
        list.remove(item);
        assertEquals([item.list, item.before, item.after], [null, null, null]);
      }
    }
    assertEquals(list.length, expected.length);
    const same = (items: Item[]) =>
      items.length === expected.length && items.every((item, at) => item === expected[at]);
    assertEquals([same(forwards(list)), same(backwards(list))], [true, true]);
  }
});

Deno.test("an item that is in another list is not taken out", () => {
  const [list, other, item] = [new LinkedList<Item>(), new LinkedList<Item>(), new Item()];
  list.push(item);
  other.remove(item);
  assertEquals([list.length, other.length, list.first === item], [1, 0, true]);
});

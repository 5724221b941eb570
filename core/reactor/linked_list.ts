// A list whose links are in its items. To insert an item, or to remove it anywhere, takes no search and makes no garbage.

/** What can be in a list, in one at a time. */
export interface Linked<T extends Linked<T>> {
  /** The list that it is in. Kept by the list, as the other two. */
  list: LinkedList<T> | null;
  /** What comes before it there. */
  before: T | null;
  /** What comes after it there. */
  after: T | null;
}

/** See the file's head. One thread. */
export class LinkedList<T extends Linked<T>> {
  /** The first item. */
  first: T | null = null;
  /** The last item. */
  last: T | null = null;
  /** How many there are. */
  length: number = 0;

  /** Puts an item that is in no list at the end. */
  push(item: T): void {
    item.before = this.last;
    if (this.last === null) this.first = item;
    else this.last.after = item;
    this.last = item;
    item.list = this;
    this.length++;
  }

  /** Puts an item that is in no list at the beginning. */
  unshift(item: T): void {
    item.after = this.first;
    if (this.first === null) this.last = item;
    else this.first.before = item;
    this.first = item;
    item.list = this;
    this.length++;
  }

  /** Takes the first item out. */
  shift(): T | null {
    const { first } = this;
    if (first !== null) this.remove(first);
    return first;
  }

  /** Takes the last item out. */
  pop(): T | null {
    const { last } = this;
    if (last !== null) this.remove(last);
    return last;
  }

  /** Takes an item out, if it is in this list. */
  remove(item: T): void {
    if (item.list !== this) return;
    if (item.before === null) this.first = item.after;
    else item.before.after = item.after;
    if (item.after === null) this.last = item.before;
    else item.after.before = item.before;
    item.list = null;
    item.before = null;
    item.after = null;
    this.length--;
  }
}

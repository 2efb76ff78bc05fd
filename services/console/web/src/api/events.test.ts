import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventStream, SILENT_MS } from "./events";

class Source {
  onmessage: ((event: MessageEvent<string>) => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  close() {
    this.closed = true;
  }
  say(event: object) {
    this.onmessage?.({ data: JSON.stringify(event), lastEventId: "" } as MessageEvent<string>);
  }
}

let opened: Source[];
let stream: EventStream;

beforeEach(() => {
  vi.useFakeTimers();
  opened = [];
  stream = new EventStream(() => {
    const source = new Source();
    opened.push(source);
    return source as unknown as EventSource;
  });
  stream.follow({ kind: "queue" }, () => undefined);
  vi.advanceTimersByTime(0);
});
afterEach(() => vi.useRealTimers());

const away = { feed: "f1", kind: "error", retry: true, data: { code: "UNAVAILABLE" } };

test("a console that says nothing, not even that it lives, is lost, and is asked anew", () => {
  opened[0]?.say({ feed: "", kind: "hello" });
  vi.advanceTimersByTime(SILENT_MS - 1);
  opened[0]?.say({ feed: "", kind: "ping" });
  vi.advanceTimersByTime(SILENT_MS - 1);
  expect(stream.connection).toBe("open");
  vi.advanceTimersByTime(1);
  expect(stream.connection).toBe("lost");
  expect(opened[0]?.closed).toBe(true);
  vi.advanceTimersByTime(500);
  // Nor does it answer the next one: it stays lost.
  vi.advanceTimersByTime(2 * SILENT_MS);
  expect(stream.connection).toBe("lost");
  opened.at(-1)?.say({ feed: "", kind: "hello" });
  expect(stream.connection).toBe("open");
});

test("behind a console that lives the gateway may be away: what is shown is old until a feed brings something", () => {
  opened[0]?.say(away);
  expect(stream.connection).toBe("open");
  opened[0]?.say(away);
  opened[0]?.say({ feed: "", kind: "ping" });
  expect(stream.connection).toBe("lost");
  opened[0]?.say({ feed: "f1", kind: "queue", data: {} });
  expect(stream.connection).toBe("open");
});

test("a feed that fails no more and has nothing to say is there again", () => {
  opened[0]?.say(away);
  opened[0]?.say(away);
  for (let i = 0; i < 5; i++) {
    vi.advanceTimersByTime(15_000);
    opened[0]?.say({ feed: "", kind: "ping" });
  }
  expect(stream.connection).toBe("open");
});

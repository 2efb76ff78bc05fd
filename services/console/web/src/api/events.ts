// The one event stream of this tab: feeds of all parts of the page, multiplexed. Closed while the tab is hidden and taken
// up again where it was. Knows nothing of what the feeds carry.
import { useEffect, useRef, useSyncExternalStore } from "react";
import { ApiError, tellUnauthenticated, type ErrorBody } from "./call";
import type { ChangesMessage, LogLevel, LogMessage, LogStream, TestFilter, WatchMessage } from "./types";
import type { WatchQueueResponseJson } from "../gen/assay/v1/queue_service_pb";

export type Feed =
  | { kind: "test"; testId: string }
  | {
      kind: "log";
      testId: string;
      fromSeq?: string;
      minLevel?: LogLevel;
      streams?: LogStream[];
      text?: string;
      matchCase?: boolean;
    }
  | { kind: "tests"; filter: TestFilter }
  | { kind: "queue" };

interface Payloads {
  test: WatchMessage;
  log: LogMessage;
  tests: ChangesMessage;
  queue: WatchQueueResponseJson;
}
export type FeedMessage<K extends Feed["kind"]> =
  | { kind: K; data: Payloads[K] }
  | { kind: "error"; error: ApiError }
  | { kind: "end" };

interface Subscription {
  id: string;
  feed: Feed;
  tell: (message: FeedMessage<Feed["kind"]>) => void;
  done: boolean;
}

interface Event {
  feed?: string;
  kind: string;
  data?: unknown;
  /** Of an error: the console takes the feed up again by itself. */
  retry?: boolean;
}

export type Connection = "idle" | "connecting" | "open" | "lost";

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
/** The console says something every 15 s at least: one that says nothing for so long stands still, or the way to it does. */
export const SILENT_MS = 40_000;
/** Failures of a feed in a row after which what is shown counts as old. One is a gateway that was replaced. */
const FAILURES = 2;
/** A feed of which no further failure is heard for so long is there again, and has nothing to say. */
const BACK_MS = 60_000;

/** All subscriptions of a page over one EventSource. `open` and `isHidden` are arguments so that a test can stand in. */
export class EventStream {
  #subscriptions = new Map<string, Subscription>();
  #source: EventSource | null = null;
  #position = "";
  #next = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** Failures in a row by feed: the console is there, and what it asks is not. */
  #away = new Map<string, number>();
  #back: ReturnType<typeof setTimeout> | undefined;
  #connection: Connection = "idle";
  #listeners = new Set<() => void>();
  readonly #open: (url: string) => EventSource;

  constructor(open: (url: string) => EventSource = (url) => new EventSource(url)) {
    this.#open = open;
  }

  get connection(): Connection {
    return this.#connection;
  }

  onConnection = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Follows `feed` until the returned function is called. */
  follow(feed: Feed, tell: Subscription["tell"]): () => void {
    const id = `f${this.#next++}`;
    this.#subscriptions.set(id, { id, feed, tell, done: false });
    this.#plan(0);
    return () => {
      this.#subscriptions.delete(id);
      this.#plan(0);
    };
  }

  /** The tab was hidden or shown. */
  visibilityChanged(): void {
    this.#failures = 0;
    this.#plan(0);
  }

  // Several parts of a page come and go in one moment: one new stream for all of them.
  #plan(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), delayMs);
  }

  #set(connection: Connection): void {
    if (connection === this.#connection) return;
    this.#connection = connection;
    for (const listener of this.#listeners) listener();
  }

  #connect(): void {
    this.#source?.close();
    this.#source = null;
    clearTimeout(this.#silence);
    clearTimeout(this.#back);
    this.#away.clear();
    const wanted = [...this.#subscriptions.values()].filter((one) => !one.done);
    if (wanted.length === 0 || document.visibilityState === "hidden") {
      this.#set("idle");
      return;
    }
    if (this.#connection !== "lost") this.#set("connecting");
    const query = new URLSearchParams({ feeds: JSON.stringify(wanted.map((one) => ({ id: one.id, ...one.feed }))) });
    if (this.#position) query.set("lastEventId", this.#position);
    const source = this.#open(`/events?${query}`);
    this.#source = source;
    const lost = () => {
      if (this.#source !== source) return;
      clearTimeout(this.#silence);
      // The browser's own retry would use the first URL and its old position: a new stream takes its place.
      source.close();
      this.#source = null;
      this.#set("lost");
      this.#plan(RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] ?? 8000);
    };
    const heard = () => {
      clearTimeout(this.#silence);
      this.#silence = setTimeout(lost, SILENT_MS);
    };
    heard();
    source.onmessage = (event: MessageEvent<string>) => {
      heard();
      if (event.lastEventId) this.#position = event.lastEventId;
      this.#take(JSON.parse(event.data) as Event);
    };
    source.onerror = () => {
      if (this.#source !== source) return;
      lost();
      // An EventSource does not tell a status: a session that ended is found out by asking.
      void fetch("/session", { credentials: "same-origin" })
        .then((response) => {
          if (response.status === 401) tellUnauthenticated();
        })
        .catch(() => undefined);
    };
  }

  /** How the connection stands after `event`: what one feed brings shows that the gateway answers. */
  #hear({ feed, kind, retry }: Event): void {
    if (feed && kind === "error" && retry) {
      this.#away.set(feed, (this.#away.get(feed) ?? 0) + 1);
      clearTimeout(this.#back);
      this.#back = setTimeout(() => {
        this.#away.clear();
        if (this.#source) this.#set("open");
      }, BACK_MS);
    } else if (feed) {
      this.#away.clear();
    }
    this.#set([...this.#away.values()].some((failures) => failures >= FAILURES) ? "lost" : "open");
  }

  #take(event: Event): void {
    this.#failures = 0;
    this.#hear(event);
    const error = event.kind === "error" ? new ApiError(200, event.data as ErrorBody) : null;
    if (error && !event.feed) {
      if (error.code === "UNAUTHENTICATED") tellUnauthenticated();
      return;
    }
    const one = event.feed ? this.#subscriptions.get(event.feed) : undefined;
    if (!one) return;
    if (error) {
      one.tell({ kind: "error", error });
    } else if (event.kind === "end") {
      one.done = true;
      one.tell({ kind: "end" });
    } else {
      one.tell({ kind: one.feed.kind, data: event.data as never });
    }
  }
}

export const stream = new EventStream();
document.addEventListener("visibilitychange", () => stream.visibilityChanged());

/** Follows `feed` while the component is there; null: nothing. A new feed is one that differs as JSON. */
export function useFeed<K extends Feed["kind"]>(
  feed: Extract<Feed, { kind: K }> | null,
  onMessage: (message: FeedMessage<K>) => void,
): void {
  const latest = useRef(onMessage);
  useEffect(() => {
    latest.current = onMessage;
  });
  const key = feed ? JSON.stringify(feed) : "";
  useEffect(() => {
    if (!key) return undefined;
    return stream.follow(JSON.parse(key) as Feed, (message) => latest.current(message as FeedMessage<K>));
  }, [key]);
}

/** How the event stream of this tab stands. */
export function useConnection(): Connection {
  return useSyncExternalStore(stream.onConnection, () => stream.connection);
}

// Calls of the API through the console: one generic call in ProtoJSON, typed by what is generated from proto/.
// Knows nothing of what the methods mean.
import type { DescMessage, MessageJsonType } from "@bufbuild/protobuf";
import type { AccountService } from "../gen/assay/v1/account_service_pb";
import type { AdminService } from "../gen/assay/v1/admin_service_pb";
import type { PackageService } from "../gen/assay/v1/package_service_pb";
import type { QueueService } from "../gen/assay/v1/queue_service_pb";
import type { TestService } from "../gen/assay/v1/test_service_pb";

interface Services {
  AccountService: typeof AccountService;
  AdminService: typeof AdminService;
  PackageService: typeof PackageService;
  QueueService: typeof QueueService;
  TestService: typeof TestService;
}
type Methods<S extends keyof Services> = Services[S]["method"];
type Input<M> = M extends { input: infer I extends DescMessage } ? MessageJsonType<I> : never;
type Output<M> = M extends { output: infer O extends DescMessage } ? MessageJsonType<O> : never;

/** A field of the request that the server refuses. */
export interface Violation {
  field: string;
  description: string;
}

/** What went wrong with a call, in the words of the server. */
export class ApiError extends Error {
  readonly code: string;
  readonly reason: string;
  readonly violations: Violation[];
  /** When to come back, in milliseconds; null: the server does not say. */
  readonly retryAfterMs: number | null;
  /** HTTP status; 0: the console itself could not be reached. */
  readonly status: number;

  constructor(status: number, body: Partial<ErrorBody>) {
    super(body.message ?? `The console answered ${status}.`);
    this.name = "ApiError";
    this.status = status;
    this.code = body.code ?? "UNKNOWN";
    this.reason = body.reason ?? "";
    this.violations = body.violations ?? [];
    this.retryAfterMs = body.retryAfterMs ?? null;
  }

  /** Whether the server or the console is away for now, so that trying again by itself makes sense. */
  get isAway(): boolean {
    return this.status === 0 || this.code === "UNAVAILABLE" || this.code === "DEADLINE_EXCEEDED";
  }
}

export interface ErrorBody {
  code: string;
  message: string;
  reason: string;
  violations: Violation[];
  retryAfterMs: number | null;
}

const AWAY: Partial<ErrorBody> = {
  code: "UNAVAILABLE",
  message: "The console cannot be reached. If this stays, check that Assay runs.",
};

const unauthenticated = new Set<() => void>();

/** Tells `listener` when a call was refused for want of a session. Returns how to stop that. */
export function onUnauthenticated(listener: () => void): () => void {
  unauthenticated.add(listener);
  return () => unauthenticated.delete(listener);
}

export function tellUnauthenticated(): void {
  for (const listener of unauthenticated) listener();
}

let asker = "";

/** From now on calls are of this user; whatever another tab signs in meanwhile, nothing is done as somebody else. */
export function askAs(userId: string): void {
  asker = userId;
}

/** A request to the console's own paths. Throws ApiError for any answer that is no success. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("x-assay-console", "1");
  if (asker) headers.set("x-assay-user", asker);
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, AWAY);
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as Partial<ErrorBody>;
  const error = new ApiError(response.status, body);
  if (error.status === 401) tellUnauthenticated();
  throw error;
}

/** The JSON of an answer. Throws ApiError where the connection broke off in the middle of it. */
export async function bodyOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, AWAY);
  }
}

/** Calls `method` of `service`. Throws ApiError. */
export async function call<S extends keyof Services, M extends keyof Methods<S> & string>(
  service: S,
  method: M,
  message: Input<Methods<S>[M]>,
  signal?: AbortSignal,
): Promise<Output<Methods<S>[M]>> {
  const name = method.charAt(0).toUpperCase() + method.slice(1);
  const response = await request(`/api/${service}/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
    signal: signal ?? null,
  });
  return (await bodyOf(response)) as Output<Methods<S>[M]>;
}

// Who is signed in. Owns the sign-in state of the page; the key itself never reaches the page after the form was sent.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { ApiError, askAs, bodyOf, onUnauthenticated, request } from "./call";
import { forgetEverything } from "./tabMemory";

export interface SignInWays {
  key: boolean;
  /** Where the sign-in with OpenID Connect starts; null: it is not set up. */
  oidc: string | null;
}

export interface Session {
  userId: string;
  role: "ROLE_USER" | "ROLE_ADMIN";
  isAdmin: boolean;
  serverVersion: string;
  /** Server time minus the clock of this browser, in milliseconds: durations that count use it. */
  serverSkewMs: number;
  signOut: () => Promise<void>;
}

interface SessionAnswer {
  userId: string;
  role: "ROLE_USER" | "ROLE_ADMIN";
  serverVersion: string;
  serverTime: string;
}

type Found = { session: SessionAnswer; skewMs: number } | { session: null; signIn: SignInWays };

async function find(): Promise<Found> {
  const response = await fetch("/session", { credentials: "same-origin" }).catch(() => {
    throw new ApiError(0, { code: "UNAVAILABLE", message: "The console cannot be reached. It is tried again by itself." });
  });
  const body = (await (response.ok ? bodyOf(response) : response.json().catch(() => ({})))) as Record<string, unknown>;
  if (response.status === 401) {
    askAs("");
    return { session: null, signIn: (body.signIn as SignInWays | undefined) ?? { key: true, oidc: null } };
  }
  if (!response.ok) throw new ApiError(response.status, body as never);
  const session = body as unknown as SessionAnswer;
  askAs(session.userId);
  return { session, skewMs: Date.parse(session.serverTime) - Date.now() };
}

const nameOf = (found: Found | undefined): string => (found?.session ? `${found.session.userId} ${found.session.role}` : "");

const SessionContext = createContext<Session | null>(null);

/** The session of the page. Only inside SessionGate. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession outside of SessionGate");
  return session;
}

/** Signs in with an API key. Throws ApiError. */
export async function signInWithKey(key: string): Promise<void> {
  await request("/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key }),
  });
}

interface GateProps {
  children: ReactNode;
  waiting: ReactNode;
  away: (error: ApiError) => ReactNode;
  /** `ended`: who was signed in here until now; "": nobody was. */
  signIn: (ways: SignInWays, signedIn: () => void, ended: string) => ReactNode;
}

/** Shows the page to whoever is signed in, else the way in. What one user saw is gone before the next one comes. */
export function SessionGate({ children, waiting, away, signIn }: GateProps) {
  const client = useQueryClient();
  const found = useQuery({
    queryKey: ["session"],
    queryFn: async () => {
      const now = await find();
      // Before anything is drawn for this user: answers of another one must not be shown even for a moment.
      if (nameOf(now) !== nameOf(client.getQueryData<Found>(["session"]))) client.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
      return now;
    },
    staleTime: 60_000,
    refetchOnWindowFocus: "always",
    retry: false,
    refetchInterval: (query) => (query.state.error ? 2000 : false),
  });
  useEffect(
    () => onUnauthenticated(() => void client.invalidateQueries({ queryKey: ["session"] })),
    [client],
  );
  const answer = found.data;
  const user = nameOf(answer);
  const [before, setBefore] = useState("");
  const here = answer?.session?.userId;
  if (here && here !== before) setBefore(here);
  const session = useMemo<Session | null>(() => {
    if (!answer?.session) return null;
    return {
      userId: answer.session.userId,
      role: answer.session.role,
      isAdmin: answer.session.role === "ROLE_ADMIN",
      serverVersion: answer.session.serverVersion,
      serverSkewMs: answer.skewMs,
      signOut: async () => {
        await request("/session", { method: "DELETE" });
        forgetEverything();
        client.clear();
        window.location.assign("/");
      },
    };
  }, [answer, client]);

  if (session) return <SessionContext.Provider key={user} value={session}>{children}</SessionContext.Provider>;
  if (answer) return <>{signIn("signIn" in answer ? answer.signIn : { key: true, oidc: null }, () => void found.refetch(), before)}</>;
  if (found.error instanceof ApiError) return <>{away(found.error)}</>;
  return <>{waiting}</>;
}

/** A session without a server, for component tests. */
export function FakeSession({ admin = false, children }: { admin?: boolean; children: ReactNode }) {
  const session = useMemo<Session>(
    () => ({
      userId: "dev",
      role: admin ? "ROLE_ADMIN" : "ROLE_USER",
      isAdmin: admin,
      serverVersion: "0.0.0",
      serverSkewMs: 0,
      signOut: () => Promise.resolve(),
    }),
    [admin],
  );
  return <SessionContext.Provider value={session}>{children}</SessionContext.Provider>;
}

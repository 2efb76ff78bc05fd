import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { server } from "../test/server";
import { askAs, call, onUnauthenticated } from "./call";

test("a call says for whom the page asks, and hears that another tab signed in somebody else", async () => {
  const asked: (string | null)[] = [];
  server.use(
    http.post("*/api/TestService/ListTests", ({ request }) => {
      asked.push(request.headers.get("x-assay-user"));
      return HttpResponse.json({ code: "UNAUTHENTICATED", message: "", reason: "USER_CHANGED" }, { status: 401 });
    }),
  );
  let told = 0;
  const stop = onUnauthenticated(() => (told += 1));
  askAs("alice");
  await expect(call("TestService", "listTests", {})).rejects.toMatchObject({ reason: "USER_CHANGED" });
  askAs("");
  await expect(call("TestService", "listTests", {})).rejects.toMatchObject({ status: 401 });
  stop();
  expect(asked).toEqual(["alice", null]);
  expect(told).toBe(2);
});

test("an answer that breaks off in the middle is a console that is away, and not a fault of the page", async () => {
  server.use(http.post("*/api/TestService/ListTests", () => new HttpResponse('{"tests": [', { headers: { "content-type": "application/json" } })));
  await expect(call("TestService", "listTests", {})).rejects.toMatchObject({ name: "ApiError", isAway: true });
});

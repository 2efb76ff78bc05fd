// The console's backend as a component test sees it: answers of the API by method, over msw.
import { http, HttpResponse, type JsonBodyType } from "msw";
import { setupServer } from "msw/node";

export const server = setupServer();

/** Answers `method` ("TestService/GetTest") with what `answer` makes of the request. */
export function answer(method: string, make: (request: never) => JsonBodyType, status = 200): void {
  server.use(
    http.post(`*/api/${method}`, async ({ request }) => HttpResponse.json(make((await request.json()) as never), { status })),
  );
}

/** Refuses `method` as the API does. */
export function refuse(method: string, status: number, body: { code: string; message: string; violations?: { field: string; description: string }[] }): void {
  answer(method, () => ({ reason: "", violations: [], retryAfterMs: null, ...body }), status);
}

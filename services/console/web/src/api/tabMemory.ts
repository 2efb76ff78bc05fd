// What this tab remembers of somebody, until it is closed or they sign out.

let over = false;

export const recall = (key: string): string | null => sessionStorage.getItem(key);

/** Nothing is kept after `forgetEverything`, also not by who writes as the page goes away. */
export function keep(key: string, text: string): void {
  if (over) return;
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // Browsers give a site some 5 MiB. What does not fit is not remembered, and what was under this name is out of date.
    sessionStorage.removeItem(key);
  }
}

export const forget = (key: string): void => sessionStorage.removeItem(key);

/** For signing out, which leaves the page: the next one starts anew. */
export function forgetEverything(): void {
  over = true;
  sessionStorage.clear();
}

// What this tab remembers of somebody, until it is closed or they sign out.

let over = false;

export const recall = (key: string): string | null => sessionStorage.getItem(key);

/** Nothing is kept after `forgetEverything`, also not by who writes as the page goes away. */
export function keep(key: string, text: string): void {
  if (!over) sessionStorage.setItem(key, text);
}

export const forget = (key: string): void => sessionStorage.removeItem(key);

/** For signing out, which leaves the page: the next one starts anew. */
export function forgetEverything(): void {
  over = true;
  sessionStorage.clear();
}

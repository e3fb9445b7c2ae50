/** A launch that has not taken effect by then must not any more; drivers enforce it (Law 5). */
export const LAUNCH_WINDOW_MS = 60_000

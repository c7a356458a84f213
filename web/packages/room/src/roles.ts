/** Who may do what, as far as a page needs to know before it asks. The room decides each time. */

/** Each may what those before it may. */
const ROLES = ['guest', 'member', 'bidder', 'moderator', 'host', 'system'] as const;

export type Role = (typeof ROLES)[number];

/** True if `role` may what `needed` may; false for a role this version does not know. */
export function isAtLeast(role: string | null, needed: Role): boolean {
  return ROLES.indexOf(role as Role) >= ROLES.indexOf(needed);
}

/** What somebody of this role cannot do here, in words; `null` where nothing is missing. */
export function limitWords(role: string | null): string | null {
  if (role === null || isAtLeast(role, 'bidder')) return null;
  if (role === 'member') return null;
  return 'This room is read-only for guests: you can watch and react. To chat and vote, come with a token.';
}

/** Why an auction or a drop cannot be entered; `null` where it can. */
export function bidLimitWords(role: string | null): string | null {
  return role === null || isAtLeast(role, 'bidder') ? null : 'Bidding and buying need a token that grants them.';
}

// @ts-check

/** Something the user can understand and mend: shown as one line, without a stack. */
export class Failure extends Error {}

// How libraries that validate can be told apart from none: https://standardschema.dev.
export type { StandardSchemaV1 } from '@standard-schema/spec';

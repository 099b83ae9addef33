import { HoldfastError } from '../../core/errors.js';
import { shown } from '../../core/options.js';
import type { StandardSchemaV1 } from '../../core/standard-schema.js';

/** What data of jobs have to be like, for {@link Queue}. */
export interface SchemaOptions<Data = unknown, Input = Data> {
  /**
   * What data have to be like: a schema of Zod, Valibot, ArkType, or any other that keeps to Standard Schema (https://standardschema.dev). What it makes of the data that are
   * added is stored. It must validate at once. It belongs to this object: give all processes that add jobs the same.
   */
  readonly schema?: StandardSchemaV1<Input, Data> | undefined;
}

/** What data of jobs have to be like, by their name, for {@link NamedQueue}. */
export interface NamedSchemaOptions<Schemas = Readonly<Record<string, StandardSchemaV1 | undefined>>> {
  /** What data have to be like, by the name of the job: see {@link SchemaOptions.schema}. */
  readonly schemas?: Schemas | undefined;
}

/** What is to be stored of what was given as the data of a job with that name. */
export type Validate = (data: unknown, name: string | undefined) => unknown;

export function validating({ schema, schemas }: SchemaOptions & NamedSchemaOptions): Validate {
  if (schema !== undefined) checkSchema('schema', schema);
  if (schemas === undefined) return schema === undefined ? (data) => data : (data) => validated(schema, data);
  if (schema !== undefined) throw new TypeError('options of Queue must have schema or schemas, not both');
  for (const [name, one] of Object.entries(schemas))
    if (one !== undefined) checkSchema(`schemas.${name}`, one);
  return (data, name) => {
    const own = name !== undefined && Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    if (own !== undefined) return validated(own, data);
    throw new TypeError(`there is no schema for jobs with the name ${shown(name)}`);
  };
}

function checkSchema(what: string, given: StandardSchemaV1): void {
  const standard: unknown = Reflect.get(Object(given) as object, '~standard');
  if (typeof standard !== 'object' || standard === null || !('validate' in standard))
    throw new TypeError(`${what} must be a schema that keeps to Standard Schema, not ${shown(given)}`);
}

function validated(schema: StandardSchemaV1, data: unknown): unknown {
  const result = schema['~standard'].validate(data);
  if (result instanceof Promise)
    throw new TypeError('the schema validates data later; it must do so at once');
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
  });
  throw new HoldfastError('ERR_INVALID_DATA', `data of the job: ${issues.join('; ')}`, {
    cause: result.issues,
  });
}

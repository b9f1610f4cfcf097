import type { CodegenConfig } from '@graphql-codegen/cli';

// The types of every operation in src/, made from the schema that the service prints. `npm run check` makes them and type-checks against
// them, so an operation that the schema no longer allows is an error before anything runs.
const config: CodegenConfig = {
  schema: '../../schema.graphql',
  documents: ['src/**/*.ts', '!src/gql/**'],
  emitLegacyCommonJSImports: false,
  generates: {
    './src/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string', // What is sent is text; no GraphQL library is needed at run time.
        enumsAsTypes: true,
        useTypeImports: true,
        strictScalars: true,
        scalars: { DateTime: 'string', Cursor: 'string', Decimal: 'string', JSON: 'unknown' },
      },
    },
  },
};

export default config;

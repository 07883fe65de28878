/** The Envoy binary: ENVOY_PATH, then PATH, then a copy kept under .cache/; with `install` it is fetched when missing. */
export declare function findEnvoy(options?: { readonly install?: boolean }): string | undefined

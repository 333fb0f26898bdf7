/** The package of that name as this folder has it: `import()` looks from the file that it stands in. */
export const load = (name) => import(name);

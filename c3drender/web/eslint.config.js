export default [
  {
    files: ["player/*.js", "studio/*.js"],
    rules: {
      eqeqeq: "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];

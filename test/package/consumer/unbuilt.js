import { HoldfastError, open } from 'holdfast';

try {
  open(process.argv[2]);
} catch (error) {
  console.log(
    JSON.stringify({ own: error instanceof HoldfastError, code: error.code, message: error.message }),
  );
}

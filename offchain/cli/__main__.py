"""python -m offchain.cli, which the file `ballast` in the project's root runs."""

from offchain.cli.app import main

if __name__ == "__main__":
    main()

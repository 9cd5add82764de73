import Glibc

exit(Bench.main(arguments: Array(CommandLine.arguments.dropFirst())))

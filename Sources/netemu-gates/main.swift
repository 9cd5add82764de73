import BenchLoops
import Glibc

exit(Gates.main(arguments: Array(CommandLine.arguments.dropFirst())))

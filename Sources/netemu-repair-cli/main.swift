import Glibc
import RepairHelper

exit(HelperProgram.main(arguments: Array(CommandLine.arguments.dropFirst())))

import Glibc
import NetEmu

exit(Program.main(arguments: Array(CommandLine.arguments.dropFirst())))

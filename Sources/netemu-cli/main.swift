import Glibc
import NetEmu

exit(Program.main())

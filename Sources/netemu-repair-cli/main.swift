import Glibc
import RepairHelper

exit(HelperProgram.main())

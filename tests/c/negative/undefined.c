/* Expected to fail under UndefinedBehaviorSanitizer: adds past the end of the integers. */

#include <limits.h>

#include "../check.h"

int main(int argc, char **argv)
{
    int most = INT_MAX;
    (void)argv;
    most += argc;
    return most == 0;
}

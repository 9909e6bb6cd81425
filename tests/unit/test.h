/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka and what it needs included before it, in one line. */
#ifndef EDGECTL_TEST_H
#define EDGECTL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#endif

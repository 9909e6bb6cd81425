/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest app: five hostcalls. */
#include "edge.h"

int main(void)
{
    edge_respond_text(200, "Hello");
}

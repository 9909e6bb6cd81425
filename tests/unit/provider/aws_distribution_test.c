/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "unit/test.h"

#define ARN "arn:aws:lambda:us-east-1:1:function:shop"

static struct xml *parse(const char *text)
{
    struct xml *x;
    struct err err;
    if (xml_parse(text, strlen(text), &x, &err) < 0)
        fail_msg("%s", err.msg);
    return x;
}

static void check(const struct xml *x, const char *want)
{
    cleanup(buf_clear) struct buf b = BUF_INIT(1 << 20);
    xml_write(x, &b);
    assert_string_equal(buf_str(&b), want);
}

/* With elements that no version of this program knows. */
static const char plain[] =
    "<DistributionConfig xmlns=\"n\"><CallerReference>r</CallerReference>"
    "<DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><New2031><A>1</A></New2031>"
    "<LambdaFunctionAssociations><Quantity>0</Quantity></LambdaFunctionAssociations>"
    "<CachePolicyId>c</CachePolicyId></DefaultCacheBehavior><Comment></Comment>"
    "<Enabled>true</Enabled><Later x=\"y\">&amp;</Later></DistributionConfig>";

static void a_function_comes_and_goes_without_a_trace(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *x = parse(plain);
    assert_null(aws_distribution_function(x, "origin-request"));
    assert_true(aws_distribution_set_function(x, "origin-request", ARN ":1"));
    assert_false(aws_distribution_set_function(x, "origin-request", ARN ":1"));
    assert_string_equal(aws_distribution_function(x, "origin-request"), ARN ":1");
    assert_null(aws_distribution_function(x, "viewer-request"));
    check(xml_find(x, "DefaultCacheBehavior/LambdaFunctionAssociations"),
          "<LambdaFunctionAssociations><Quantity>1</Quantity><Items><LambdaFunctionAssociation>"
          "<LambdaFunctionARN>" ARN ":1</LambdaFunctionARN><EventType>origin-request</EventType>"
          "<IncludeBody>true</IncludeBody></LambdaFunctionAssociation></Items>"
          "</LambdaFunctionAssociations>");
    assert_true(aws_distribution_set_function(x, "origin-request", ARN ":2"));
    assert_string_equal(aws_distribution_function(x, "origin-request"), ARN ":2");
    assert_true(aws_distribution_set_function(x, "origin-request", NULL));
    assert_false(aws_distribution_set_function(x, "origin-request", NULL));
    cleanup(free_p) char *want = xstrdup(plain);
    /* An empty element has one form when it is written. */
    char *comment = strstr(want, "<Comment></Comment>");
    memcpy(comment, "<Comment/>", 10);
    memmove(comment + 10, comment + 19, strlen(comment + 19) + 1);
    check(x, want);
}

static bool count_guest(struct xml *behaviour, void *env)
{
    assert_non_null(behaviour);
    ++*(int *)env;
    return false;
}

static int guests(const struct xml *x)
{
    int count = 0;
    assert_false(aws_distribution_guests(x, count_guest, &count));
    return count;
}

static void other_functions_and_behaviours_are_left_alone(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *x = parse(
        "<DistributionConfig><DefaultCacheBehavior><LambdaFunctionAssociations><Quantity>2</Quantity>"
        "<Items><LambdaFunctionAssociation><LambdaFunctionARN>a:f:auth:3</LambdaFunctionARN>"
        "<EventType>viewer-request</EventType></LambdaFunctionAssociation>"
        "<LambdaFunctionAssociation><LambdaFunctionARN>a:f:shop:1</LambdaFunctionARN>"
        "<EventType>origin-request</EventType><IncludeBody>false</IncludeBody>"
        "</LambdaFunctionAssociation></Items></LambdaFunctionAssociations></DefaultCacheBehavior>"
        "<CacheBehaviors><Quantity>2</Quantity><Items><CacheBehavior><PathPattern>/a</PathPattern>"
        "<LambdaFunctionAssociations><Quantity>1</Quantity><Items><LambdaFunctionAssociation>"
        "<LambdaFunctionARN>a:f:shop:1</LambdaFunctionARN><EventType>origin-request</EventType>"
        "</LambdaFunctionAssociation></Items></LambdaFunctionAssociations></CacheBehavior>"
        "<CacheBehavior><PathPattern>/b</PathPattern><LambdaFunctionAssociations>"
        "<Quantity>1</Quantity><Items><LambdaFunctionAssociation>"
        "<LambdaFunctionARN>a:f:shop2:1</LambdaFunctionARN><EventType>origin-request</EventType>"
        "</LambdaFunctionAssociation></Items></LambdaFunctionAssociations></CacheBehavior></Items>"
        "</CacheBehaviors></DistributionConfig>");
    assert_int_equal(guests(x), 2);
    assert_true(aws_distribution_set_function(x, "origin-request", "a:f:shop:2"));
    cleanup(buf_clear) struct buf b = BUF_INIT(1 << 20);
    xml_write(x, &b);
    assert_non_null(strstr(buf_str(&b), "a:f:auth:3"));
    assert_non_null(strstr(buf_str(&b), "a:f:shop2:1"));
    assert_null(strstr(buf_str(&b), "a:f:shop:1"));
    assert_non_null(strstr(buf_str(&b), "<IncludeBody>false</IncludeBody>"));
    assert_true(aws_distribution_set_function(x, "origin-request", NULL));
    assert_string_equal(xml_get(x, "DefaultCacheBehavior/LambdaFunctionAssociations/Quantity"),
                        "1");
    assert_int_equal(guests(x), 1);
}

static void missing_elements_are_made_in_the_services_order(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *x =
        parse("<D><CallerReference>r</CallerReference><Origins/><DefaultCacheBehavior>"
              "<Compress>true</Compress><CachePolicyId>c</CachePolicyId></DefaultCacheBehavior>"
              "<Comment>c</Comment><Enabled>true</Enabled><Staging>false</Staging></D>");
    struct xml *behaviour = xml_find(x, "DefaultCacheBehavior");
    aws_behaviour_set_edge_function(behaviour, "viewer-request", "f");
    aws_distribution_set_function(x, "origin-request", "l:1");
    assert_true(aws_distribution_add_alias(x, "a.example"));
    assert_false(aws_distribution_add_alias(x, "A.example"));
    assert_true(aws_distribution_set_policy(x, "P"));
    assert_false(aws_distribution_set_policy(x, "P"));
    assert_string_equal(aws_distribution_policy(x), "P");
    assert_string_equal(aws_behaviour_edge_function(behaviour, "viewer-request"), "f");
    static const char *const order[] = {"<CallerReference>", "<Aliases><Quantity>1<", "<Origins/>",
                                        "<Compress>", "<LambdaFunctionAss", "<FunctionAssociations>",
                                        "<CachePolicyId>", "<Comment>",
                                        "<ContinuousDeploymentPolicyId>P<", "<Staging>"};
    cleanup(buf_clear) struct buf b = BUF_INIT(1 << 20);
    xml_write(x, &b);
    const char *at = buf_str(&b);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        at = strstr(at, order[i]);
        if (!at)
            fail_msg("%s is not in its place: %s", order[i], buf_str(&b));
    }
}

static void a_copy_differs_only_by_what_matters(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *a = parse(plain);
    cleanup(xml_free_p) struct xml *b = parse(plain);
    aws_distribution_set_function(b, "origin-request", ARN ":9");
    aws_distribution_add_alias(a, "x.example");
    aws_distribution_set_policy(a, "P");
    assert_false(aws_distribution_differs(a, b));
    xml_set_text(xml_find(a, "DefaultCacheBehavior/CachePolicyId"), "d");
    assert_true(aws_distribution_differs(a, b));
}

static void versions_are_told_from_their_function(void **state)
{
    (void)state;
    assert_string_equal(aws_version_of(ARN ":12", ARN), "12");
    assert_null(aws_version_of(ARN "2:12", ARN));
    assert_null(aws_version_of(ARN, ARN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_comes_and_goes_without_a_trace),
        cmocka_unit_test(other_functions_and_behaviours_are_left_alone),
        cmocka_unit_test(missing_elements_are_made_in_the_services_order),
        cmocka_unit_test(a_copy_differs_only_by_what_matters),
        cmocka_unit_test(versions_are_told_from_their_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

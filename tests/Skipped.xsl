<?xml version="1.0" encoding="utf-8"?>
<!-- The skipped tests of a .trx file with their reasons, one a line; those of Pester stand in the output of the test that runs its suite. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:t="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
  <xsl:output method="text" encoding="utf-8" />

  <xsl:template match="/">
    <xsl:for-each select="//t:UnitTestResult[@outcome = 'NotExecuted']">
      <xsl:value-of select="concat(@testName, ': ', normalize-space(t:Output/t:ErrorInfo/t:Message), '&#10;')" />
    </xsl:for-each>
    <xsl:for-each select="//t:UnitTestResult/t:Output/t:StdOut[contains(., 'SKIPPED ')]">
      <xsl:call-template name="lines">
        <xsl:with-param name="text" select="concat(translate(., '&#13;', ''), '&#10;')" />
      </xsl:call-template>
    </xsl:for-each>
  </xsl:template>

  <xsl:template name="lines">
    <xsl:param name="text" />
    <xsl:if test="contains($text, 'SKIPPED ')">
      <xsl:variable name="line" select="substring-before($text, '&#10;')" />
      <xsl:if test="starts-with($line, 'SKIPPED ')">
        <xsl:value-of select="concat('Pester: ', substring-after($line, 'SKIPPED '), '&#10;')" />
      </xsl:if>
      <xsl:call-template name="lines">
        <xsl:with-param name="text" select="substring-after($text, '&#10;')" />
      </xsl:call-template>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
